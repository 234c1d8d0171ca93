import { randomUUID } from 'node:crypto'
import type { Logger } from '../../observability/logger.ts'
import type { RedisClient } from '../connection/connection.ts'
import { serverOf } from '../connection/server-of.ts'
import { serverTimeMs } from '../connection/server-time.ts'
import { heartbeatsKey } from '../keys.ts'
import { isWrongType } from '../wrong-type.ts'

const BEAT_INTERVAL_MS = 2_000

/** How long a process counts after its last heartbeat, in ms. */
const COUNTED_FOR_MS = 10_000

/** How long the store keeps the heartbeats, in ms: long, since a store that evicts may begin with what expires first. */
const RETENTION_MS = 86_400_000

/** How many counts in a row are remembered. By then, a store that has lost the heartbeats has new ones of all processes. */
const REMEMBERED_COUNTS = COUNTED_FOR_MS / BEAT_INTERVAL_MS

interface HeartbeatsOptions {
  readonly redis: RedisClient
  readonly keyPrefix: string
  /** Called with `counted` after each count of a process that serves. */
  onCounted(processes: number): void
  readonly logger: Logger
}

/**
 * Counts the front processes on all machines by the heartbeats that each writes to the bucket store once it serves. While the store is
 * unavailable, the last count stays.
 */
export class Heartbeats {
  readonly #redis: RedisClient
  readonly #key: string
  readonly #onCounted: (processes: number) => void
  readonly #logger: Logger
  readonly #process = randomUUID()
  /** The processes that were counted at the last heartbeats. */
  #counts: readonly number[] = []
  #next: NodeJS.Timeout | undefined
  #serves = false
  #stopped = false

  constructor({ redis, keyPrefix, onCounted, logger }: HeartbeatsOptions) {
    this.#redis = redis
    this.#onCounted = onCounted
    this.#logger = logger
    this.#key = heartbeatsKey(keyPrefix)
  }

  /** The most processes at one of the last heartbeats, with this one; 0 before the first. */
  get counted(): number {
    return Math.max(0, ...this.#counts)
  }

  /** Continues the counts of an earlier process: in an outage, this one cannot count. */
  resume(counted: number): void {
    this.#counts = [counted, ...this.#counts].slice(-REMEMBERED_COUNTS)
  }

  /** Counts the processes that serve, without a heartbeat of this one. Resolves after the first count, even if it failed. */
  observe(): Promise<void> {
    return this.#repeat()
  }

  /** Starts the heartbeats: the process serves. Resolves after the first one, even if it failed. */
  start(): Promise<void> {
    this.#serves = true
    return this.#repeat()
  }

  async #repeat(): Promise<void> {
    try {
      const counted = await this.#beat()
      this.#counts = [...this.#counts, counted].slice(-REMEMBERED_COUNTS)
      if (this.#serves) this.#onCounted(this.counted)
    } catch (err) {
      // In each outage, the store may lose the heartbeats of the others. So this count stays until enough have succeeded in a row.
      this.#counts = [this.counted]
      // The circuit breaker reports an unavailable store.
      if (isWrongType(err)) await this.#removeForeign()
    }
    clearTimeout(this.#next)
    if (!this.#stopped) this.#next = setTimeout(() => void this.#repeat(), BEAT_INTERVAL_MS).unref()
  }

  /** Ends the heartbeats, so that the process no longer counts. */
  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#next)
    await this.#redis.zrem(this.#key, this.#process).catch(() => undefined)
  }

  /** Otherwise no process would ever be counted, since nothing else repairs the key. */
  async #removeForeign(): Promise<void> {
    this.#logger.warn({ key: this.#key }, 'the key of the heartbeats has another type: it is removed')
    await this.#redis.del(this.#key).catch(() => undefined)
  }

  /** Returns the number of live processes, by the clock of the server that has the heartbeats: those of other masters may differ. */
  async #beat(): Promise<number> {
    const nowMs = await serverTimeMs(await serverOf(this.#redis, this.#key))
    const serves = this.#serves
    const transaction = this.#redis
      .multi()
      .zremrangebyscore(this.#key, '-inf', nowMs - COUNTED_FOR_MS)
      // From before the clock was set back.
      .zremrangebyscore(this.#key, nowMs + COUNTED_FOR_MS, '+inf')
    if (serves) transaction.zadd(this.#key, nowMs, this.#process)
    const replies = await transaction.pexpire(this.#key, RETENTION_MS).zcard(this.#key).exec()
    const [err, counted] = replies?.at(-1) ?? [new Error('the transaction was not executed')]
    if (err) throw err
    return Number(counted) + (serves ? 0 : 1)
  }
}
