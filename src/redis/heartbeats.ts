import { randomUUID } from 'node:crypto'
import type { RedisClient } from './connection.ts'
import { heartbeatsKey } from './keys.ts'
import { heartbeatScript } from './scripts.ts'

const BEAT_INTERVAL_MS = 2_000

/** A process counts for so long after its last heartbeat. */
const COUNTED_FOR_MS = 10_000

type BeatCommand = (numberOfKeys: 1, key: string, process: string, countedForMs: number) => Promise<number>

/**
 * Front processes, on however many machines, know how many they are from the heartbeats that each leaves in the store of buckets.
 * While that is away, what was counted last stands.
 */
export class Heartbeats {
  readonly #redis: RedisClient
  readonly #beat: BeatCommand
  readonly #key: string
  readonly #process = randomUUID()
  #counted = 0
  #next: NodeJS.Timeout | undefined
  #stopped = false

  constructor(redis: RedisClient, keyPrefix: string) {
    redis.defineCommand('throttlerHeartbeat', heartbeatScript)
    this.#redis = redis
    this.#beat = (redis as unknown as { throttlerHeartbeat: BeatCommand }).throttlerHeartbeat.bind(redis)
    this.#key = heartbeatsKey(keyPrefix)
  }

  /** How many processes were heard when the store was last asked; 0 before it ever was. */
  get counted(): number {
    return this.#counted
  }

  /** Beats from now on. Resolves once the first beat was heard, or could not be. */
  async start(): Promise<void> {
    try {
      this.#counted = await this.#beat(1, this.#key, this.#process, COUNTED_FOR_MS)
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
}
