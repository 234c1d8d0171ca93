import type { Metric, MetricObjectWithValues, MetricValueWithName, Registry } from 'prom-client'

/** The members that a registry reads of a metric. The library declares more, and a type that it does not export. */
type MetricObject = Omit<MetricObjectWithValues<MetricValueWithName<string>>, 'type' | 'collect'> & {
  type: 'histogram'
}

interface PlainHistogramOptions {
  readonly name: string
  readonly help: string
  /** Upper bounds, ascending. */
  readonly buckets: readonly number[]
  readonly registry: Registry
}

/** A histogram without labels. It counts in plain numbers, which a scrape turns into Prometheus' format. */
export class PlainHistogram {
  readonly name: string
  readonly #help: string
  readonly #bounds: readonly number[]
  /** Values between the previous bound and this one; the last counts those above all bounds. */
  readonly #counts: Float64Array
  #sum = 0

  constructor({ name, help, buckets, registry }: PlainHistogramOptions) {
    this.name = name
    this.#help = help
    this.#bounds = buckets
    this.#counts = new Float64Array(buckets.length + 1)
    // A registry uses only the name and `get` of a metric.
    registry.registerMetric(this as unknown as Metric)
  }

  observe(value: number): void {
    const bounds = this.#bounds
    let bucket = 0
    while (bucket < bounds.length && value > (bounds[bucket] as number)) bucket++
    this.#counts[bucket] = (this.#counts[bucket] as number) + 1
    this.#sum += value
  }

  get(): MetricObject {
    let count = 0
    const values: MetricValueWithName<string>[] = [...this.#bounds, '+Inf'].map((le, i) => {
      count += this.#counts[i] ?? 0
      return { metricName: `${this.name}_bucket`, labels: { le }, value: count }
    })
    values.push({ metricName: `${this.name}_sum`, labels: {}, value: this.#sum })
    values.push({ metricName: `${this.name}_count`, labels: {}, value: count })
    return { name: this.name, help: this.#help, type: 'histogram', aggregator: 'sum', values }
  }
}
