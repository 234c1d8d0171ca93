import { randomUUID } from 'node:crypto'
import type { RedisClient } from '../connection/connection.ts'
import { heartbeatsKey } from '../keys.ts'

const BEAT_INTERVAL_MS = 2_000

/** A process counts for so long after its last heartbeat. */
const COUNTED_FOR_MS = 10_000

/**
 * Front processes, on however many machines, know how many they are from the heartbeats that each leaves in the store of buckets.
 * While that is away, what was counted last stands.
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

  /** How many processes were heard when the store was last asked; 0 before it ever was. */
  get counted(): number {
    return this.#counted
  }

  /** Beats from now on. Resolves once the first beat was heard, or could not be. */
  async start(): Promise<void> {
    try {
      this.#counted = await this.#beat()
    } catch {
      // The store is away, which others report.
    }
    if (!this.#stopped) this.#next = setTimeout(() => void this.start(), BEAT_INTERVAL_MS).unref()
  }

  /** From now on the process does not count. */
  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#next)
    await this.#redis.zrem(this.#key, this.#process).catch(() => undefined)
  }

  /** Says that this process lives; returns how many do, by the clock of the store. */
  async #beat(): Promise<number> {
    const [seconds, microseconds] = await this.#redis.time()
    const nowMs = Number(seconds) * 1000 + Math.floor(Number(microseconds) / 1000)
    const replies = await this.#redis
      .multi()
      .zremrangebyscore(this.#key, '-inf', nowMs - COUNTED_FOR_MS)
      // Those from before the clock was set back.
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
