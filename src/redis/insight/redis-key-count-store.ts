import {
  type KeyCount,
  type KeyCountStore,
  MEASURES,
  type Measure,
  type MeasureReport,
  type Period,
  periodOf,
  type StoredCounts,
} from '../../insight/ports.ts'
import type { RedisClient } from '../connection/connection.ts'
import { type DefinedScript, defineScript } from '../define-script.ts'
import { InsightKeys } from '../keys.ts'
import { inPairs } from '../policies/in-pairs.ts'
import { addKeyCountsScript } from '../scripts.ts'
import { storedCount } from './stored-count.ts'

/** Growths in one script call: few, so that checks do not wait for them. */
const GROWTHS_PER_CALL = 128

interface Bounds {
  /** Where the smallest counts are removed. */
  readonly most: number
  /** How many stay then. */
  readonly stay: number
  /** How long a period is kept after its last report, in ms. */
  readonly keptMs: number
}

const BOUNDS: Readonly<Record<Period['unit'], Bounds>> = {
  minute: { most: 800, stay: 600, keptMs: 3_660_000 },
  hour: { most: 2_000, stay: 1_500, keptMs: 90_000_000 },
}

/** Counts in the store at most, of 62 minutes and 26 hours. With keys of 20 bytes, each takes about 130 bytes. */
export const MAX_COUNTS = MEASURES.length * (62 * BOUNDS.minute.most + 26 * BOUNDS.hour.most)

/** No key and no config key contains it. */
const SEPARATOR = '\0'

export class RedisKeyCountStore implements KeyCountStore {
  readonly #redis: RedisClient
  readonly #keys: InsightKeys
  readonly #addKeyCounts: DefinedScript<null>

  constructor(redis: RedisClient, keyPrefix: string) {
    this.#redis = redis
    this.#keys = new InsightKeys(keyPrefix)
    this.#addKeyCounts = defineScript(redis, 'addKeyCounts', addKeyCountsScript)
  }

  async add(atMs: number, report: MeasureReport): Promise<void> {
    await this.#addTo(periodOf('minute', atMs), report)
    await this.#addTo(periodOf('hour', atMs), report)
  }

  async #addTo(period: Period, { measure, growths, errorGrowth }: MeasureReport): Promise<void> {
    const { most, stay, keptMs } = BOUNDS[period.unit]
    const keys = [this.#keys.counts(measure, period), this.#keys.countErrors(period)]
    for (let from = 0; from === 0 || from < growths.length; from += GROWTHS_PER_CALL) {
      const members = growths
        .slice(from, from + GROWTHS_PER_CALL)
        .flatMap(({ key, policy, growth, earlierPolicy }) => [
          memberOf(key, policy),
          growth,
          earlierPolicy === undefined ? '' : memberOf(key, earlierPolicy),
        ])
      await this.#addKeyCounts(2, ...keys, measure, from === 0 ? errorGrowth : 0, most, stay, keptMs, ...members)
    }
  }

  async read(measure: Measure, period: Period): Promise<StoredCounts> {
    const [members, error] = await Promise.all([
      this.#redis.zrevrange(this.#keys.counts(measure, period), 0, -1, 'WITHSCORES'),
      this.#redis.hget(this.#keys.countErrors(period), measure),
    ])
    const counts = inPairs(members).map(countOf)
    return { counts: counts.filter(({ count }) => count > 0), error: storedCount(error) }
  }
}

function memberOf(key: string, policy: string): string {
  return key + SEPARATOR + policy
}

function countOf([member, score]: readonly [string, string]): KeyCount {
  const [key = '', policy = ''] = member.split(SEPARATOR)
  return { key, policy, count: storedCount(score) }
}
