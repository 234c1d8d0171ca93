import {
  COARSE_GRAIN,
  FINE_GRAIN,
  type Grain,
  OUTCOMES,
  type OutcomeCounts,
  type OutcomeStore,
} from '../../insight/ports.ts'
import type { RedisClient } from '../connection/connection.ts'
import { InsightKeys } from '../keys.ts'
import { storedCount } from './stored-count.ts'

const HOUR_MS = 3_600_000

/** The counts of a grain and an hour are one hash: number of the grain within the hour, and outcome → checks. */
export class RedisOutcomeStore implements OutcomeStore {
  readonly #redis: RedisClient
  readonly #keys: InsightKeys

  constructor(redis: RedisClient, keyPrefix: string) {
    this.#redis = redis
    this.#keys = new InsightKeys(keyPrefix)
  }

  async add(atMs: number, counts: OutcomeCounts): Promise<void> {
    const transaction = this.#redis.multi()
    for (const grain of [FINE_GRAIN, COARSE_GRAIN]) {
      const key = this.#keyOf(grain, atMs)
      for (const outcome of OUTCOMES) {
        if (counts[outcome] > 0) transaction.hincrby(key, fieldOf(grain, atMs, outcome), counts[outcome])
      }
      transaction.pexpire(key, grain.keptMs)
    }
    const replies = await transaction.exec()
    const failure = replies === null ? new Error('the transaction was not executed') : replies.find(([err]) => err)?.[0]
    if (failure) throw failure
  }

  async read(grain: Grain, fromMs: number, toMs: number): Promise<readonly OutcomeCounts[]> {
    const grains: OutcomeCounts[] = []
    for (let ms = fromMs; ms < toMs; ) {
      const endMs = Math.min(toMs, Math.floor(ms / HOUR_MS + 1) * HOUR_MS)
      grains.push(...(await this.#readHour(grain, ms, endMs)))
      ms = endMs
    }
    return grains
  }

  /** Between two times of one hour. */
  async #readHour(grain: Grain, fromMs: number, toMs: number): Promise<readonly OutcomeCounts[]> {
    const starts = Array.from({ length: (toMs - fromMs) / grain.ms }, (_, i) => fromMs + i * grain.ms)
    const fields = starts.flatMap(ms => OUTCOMES.map(outcome => fieldOf(grain, ms, outcome)))
    const values = await this.#redis.hmget(this.#keyOf(grain, fromMs), ...fields)
    return starts.map((_, i) => countsOf(values.slice(i * OUTCOMES.length)))
  }

  #keyOf(grain: Grain, ms: number): string {
    return this.#keys.outcomes(grain.ms, Math.floor(ms / HOUR_MS))
  }
}

function fieldOf(grain: Grain, ms: number, outcome: string): string {
  return `${Math.floor((ms % HOUR_MS) / grain.ms)}:${outcome}`
}

function countsOf(values: readonly (string | null)[]): OutcomeCounts {
  const [allowed, denied, shadowed, error] = OUTCOMES.map((_, i) => storedCount(values[i]))
  return { allowed: allowed ?? 0, denied: denied ?? 0, shadowed: shadowed ?? 0, error: error ?? 0 }
}
