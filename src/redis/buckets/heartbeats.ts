import { randomUUID } from 'node:crypto'
import type { RedisClient } from '../connection/connection.ts'
import { heartbeatsKey } from '../keys.ts'

const BEAT_INTERVAL_MS = 2_000

/** How long a process counts after its last heartbeat, in ms. */
const COUNTED_FOR_MS = 10_000

/**
 * Counts the front processes on all machines by the heartbeats that each writes to the bucket store. While the store is
 * unavailable, the last count stays.
 */
export class Heartbeats {
  readonly #redis: RedisClient
  readonly #key: string
  readonly #process = randomUUID()
  #counted = 0
  #next: NodeJS.Timeout | undefined
  #stopped = false

  constructor(redis: RedisClient, keyPrefix: string) {
    this.#redis = redis
    this.#key = heartbeatsKey(keyPrefix)
  }

  /** Processes at the last heartbeat; 0 before the first. */
  get counted(): number {
    return this.#counted
  }

  /** Starts the heartbeats. Resolves after the first one, even if it failed. */
  async start(): Promise<void> {
    try {
      this.#counted = await this.#beat()
    } catch {
      // The circuit breaker reports an unavailable store.
    }
    if (!this.#stopped) this.#next = setTimeout(() => void this.start(), BEAT_INTERVAL_MS).unref()
  }

  /** Ends the heartbeats, so that the process no longer counts. */
  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#next)
    await this.#redis.zrem(this.#key, this.#process).catch(() => undefined)
  }

  /** Returns the number of live processes, by the store's clock. */
  async #beat(): Promise<number> {
    const [seconds, microseconds] = await this.#redis.time()
    const nowMs = Number(seconds) * 1000 + Math.floor(Number(microseconds) / 1000)
    const replies = await this.#redis
      .multi()
      .zremrangebyscore(this.#key, '-inf', nowMs - COUNTED_FOR_MS)
      // From before the clock was set back.
      .zremrangebyscore(this.#key, nowMs + COUNTED_FOR_MS, '+inf')
      .zadd(this.#key, nowMs, this.#process)
      .pexpire(this.#key, COUNTED_FOR_MS)
      .zcard(this.#key)
      .exec()
    const [err, counted] = replies?.at(-1) ?? [new Error('the transaction was not executed')]
    if (err) throw err
    return Number(counted)
  }
}
