import { inChunks } from '../lib/keyed-chunks.ts'
import { shareRun } from '../lib/share-runs.ts'
import { MergedCounts } from './merged-counts.ts'
import type { PacedReads } from './paced-reads.ts'
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
import { SettledCounts } from './settled-counts.ts'
import { WINDOW_MS, type Window } from './windows.ts'

export const MAX_TOP_KEYS = 100

/** Windows up to this length are read by the minute, longer ones by the hour. In ms. */
const MAX_BY_MINUTE_MS = PERIOD_MS.hour

/** How long callers share a result, in ms: reading an hour or a day takes a moment. */
const SHARED_FOR_MS = 1_000

/** A call of the store takes as long as so many rows. */
const ROWS_PER_CALL = 50

export interface TopResult {
  readonly fromMs: number
  readonly toMs: number
  /** Largest first, at most `MAX_TOP_KEYS`. */
  readonly items: readonly KeyCount[]
  /** The true number of each key lies between its count and its count + `maxError`. */
  readonly maxError: number
}

interface TopKeysOptions {
  readonly store: KeyCountStore
  /** One for all windows and measures, so that one of them is read at a time. */
  readonly reads: PacedReads
  /** In ms since 1970. */
  now(): number
}

/** The keys with the largest counts over a window, merged from the counts of its periods. */
export class TopKeys {
  readonly #options: TopKeysOptions
  readonly #settled = new SettledCounts()
  readonly #shared = new Map<string, () => Promise<TopResult>>()

  constructor(options: TopKeysOptions) {
    this.#options = options
  }

  /** @throws {Problem} `store-unavailable` */
  find(measure: Measure, window: Window): Promise<TopResult> {
    const name = `${measure} ${window}`
    const read = () => this.#options.reads.run(() => this.#read(measure, window))
    const shared = this.#shared.get(name) ?? shareRun(read, SHARED_FOR_MS)
    this.#shared.set(name, shared)
    return shared()
  }

  async #read(measure: Measure, window: Window): Promise<TopResult> {
    const { reads, now } = this.#options
    const nextPart = (rows: number) => reads.nextPart(rows)
    const toMs = now()
    const periods = periodsSince(toMs - WINDOW_MS[window], toMs)
    const merged = new MergedCounts()
    let maxError = 0
    for (const period of periods.toReversed()) {
      const { counts, error } = await this.#countsOf(measure, period)
      maxError += error
      for (const part of inChunks(counts)) {
        await nextPart(part.length)
        merged.add(part)
      }
    }
    const [first] = periods
    const fromMs = first === undefined ? toMs : first.number * PERIOD_MS[first.unit]
    return { fromMs, toMs, items: await merged.largest(MAX_TOP_KEYS, nextPart), maxError }
  }

  async #countsOf(measure: Measure, period: Period): Promise<StoredCounts> {
    const { store, reads, now } = this.#options
    const nowMs = now()
    const settled = this.#settled.find(measure, period, nowMs)
    if (settled !== undefined) return settled
    const read = await readStore(store.read(measure, period))
    await reads.nextPart(ROWS_PER_CALL + read.counts.length)
    this.#settled.keep(measure, period, read, nowMs)
    return read
  }
}

/** The periods that contain a span of time, oldest first. */
function periodsSince(fromMs: number, toMs: number): readonly Period[] {
  const unit = toMs - fromMs <= MAX_BY_MINUTE_MS ? 'minute' : 'hour'
  const first = periodOf(unit, fromMs).number
  const last = periodOf(unit, toMs).number
  return Array.from({ length: last - first + 1 }, (_, i) => ({ unit, number: first + i }))
}
