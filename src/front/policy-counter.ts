import { SeriesCounter, type SeriesCounterOptions } from '../observability/series-counter.ts'
import { type Counted, CountsByPolicy } from './counts-by-policy.ts'
import type { PolicyLabels } from './policy-labels.ts'
import { SeriesByValue } from './series-by-value.ts'

export interface PolicyCounterOptions extends SeriesCounterOptions {
  readonly labels: PolicyLabels
  /** The label besides `policy`, if there is one. */
  readonly label?: string
}

/** Counts by policy, and by one more label. */
export class PolicyCounter {
  readonly #series: CountsByPolicy<SeriesByValue>

  constructor({ labels, label, ...options }: PolicyCounterOptions) {
    const counter = new SeriesCounter(options)
    this.#series = new CountsByPolicy(labels, policy => new SeriesByValue({ counter, policy, label }))
  }

  /** @param value of the other label */
  add(counted: Counted, value = '', count = 1): void {
    this.#series.of(counted).add(value, count)
  }
}
