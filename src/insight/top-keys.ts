import { shareRun } from '../lib/share-runs.ts'
import {
  type KeyCount,
  type KeyCountStore,
  type Measure,
  PERIOD_MS,
  type Period,
  periodOf,
  type StoredCounts,
} from './ports.ts'
import { readStore } from './read-store.ts'
import { WINDOW_MS, type Window } from './windows.ts'

export const MAX_TOP_KEYS = 100

/** Windows up to this length are read by the minute, longer ones by the hour. In ms. */
const MAX_BY_MINUTE_MS = PERIOD_MS.hour

/** How long callers share a result, in ms: reading an hour or a day takes a moment. */
const SHARED_FOR_MS = 1_000

export interface TopResult {
  readonly fromMs: number
  readonly toMs: number
  /** Largest first, at most `MAX_TOP_KEYS`. */
  readonly items: readonly KeyCount[]
  /** The true number of each key lies between its count and its count + `maxError`. */
  readonly maxError: number
}

/** The keys with the largest counts over a window, merged from the counts of its periods. */
export class TopKeys {
  readonly #store: KeyCountStore
  readonly #now: () => number
  readonly #shared = new Map<string, () => Promise<TopResult>>()

  /** @param now in ms since 1970 */
  constructor(store: KeyCountStore, now: () => number) {
    this.#store = store
    this.#now = now
  }

  /** @throws {Problem} `store-unavailable` */
  find(measure: Measure, window: Window): Promise<TopResult> {
    const name = `${measure} ${window}`
    const shared = this.#shared.get(name) ?? shareRun(() => this.#read(measure, window), SHARED_FOR_MS)
    this.#shared.set(name, shared)
    return shared()
  }

  async #read(measure: Measure, window: Window): Promise<TopResult> {
    const toMs = this.#now()
    const periods = periodsSince(toMs - WINDOW_MS[window], toMs)
    const merged = new MergedCounts()
    // One after another, so that neither the store nor this process is kept from checks.
    for (const period of periods.toReversed()) merged.addEarlier(await readStore(this.#store.read(measure, period)))
    const [first] = periods
    const fromMs = first === undefined ? toMs : first.number * PERIOD_MS[first.unit]
    return { fromMs, toMs, items: merged.largest(MAX_TOP_KEYS), maxError: merged.error }
  }
}

/** The periods that contain a span of time, oldest first. */
function periodsSince(fromMs: number, toMs: number): readonly Period[] {
  const unit = toMs - fromMs <= MAX_BY_MINUTE_MS ? 'minute' : 'hour'
  const first = periodOf(unit, fromMs).number
  const last = periodOf(unit, toMs).number
  return Array.from({ length: last - first + 1 }, (_, i) => ({ unit, number: first + i }))
}

/** Sums of the counts of several periods. */
export class MergedCounts {
  readonly #byKey = new Map<string, { policy: string; count: number }>()
  #error = 0

  get error(): number {
    return this.#error
  }

  /** Adds the counts of a period that is earlier than those before. The policy of a key is that of its latest period. */
  addEarlier({ counts, error }: StoredCounts): void {
    this.#error += error
    for (const { key, policy, count } of counts) {
      const sum = this.#byKey.get(key)
      if (sum === undefined) this.#byKey.set(key, { policy, count })
      else sum.count += count
    }
  }

  largest(limit: number): readonly KeyCount[] {
    return [...this.#byKey]
      .map(([key, sum]) => ({ key, ...sum }))
      .sort((a, b) => b.count - a.count || (a.key < b.key ? -1 : 1))
      .slice(0, limit)
  }
}
