import type { CounterSeries, SeriesCounter } from '../observability/series-counter.ts'

interface SeriesByValueOptions {
  readonly counter: SeriesCounter
  readonly policy: string
  /** The label besides `policy`, if there is one. */
  readonly label: string | undefined
}

/** The series of one policy, by the value of another label. */
export class SeriesByValue {
  readonly #options: SeriesByValueOptions
  readonly #series = new Map<string, CounterSeries>()

  constructor(options: SeriesByValueOptions) {
    this.#options = options
  }

  add(value: string, count: number): void {
    const series = this.#series.get(value) ?? this.#addSeries(value)
    series.value += count
  }

  #addSeries(value: string): CounterSeries {
    const { counter, policy, label } = this.#options
    const series = counter.addSeries(label === undefined ? { policy } : { policy, [label]: value })
    this.#series.set(value, series)
    return series
  }
}
