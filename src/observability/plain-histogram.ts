import type { Metric, MetricObjectWithValues, MetricValueWithName, Registry } from 'prom-client'

/** What a registry reads of a metric; the library's declarations ask for more, and for a type that it gives no name. */
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

/** A histogram without labels that counts in plain numbers, and is put into Prometheus' terms when it is scraped. */
export class PlainHistogram {
  readonly name: string
  readonly #help: string
  readonly #bounds: readonly number[]
  /** How many values fell between the bound before and this one; the last is for those beyond all bounds. */
  readonly #counts: Float64Array
  #sum = 0

  constructor({ name, help, buckets, registry }: PlainHistogramOptions) {
    this.name = name
    this.#help = help
    this.#bounds = buckets
    this.#counts = new Float64Array(buckets.length + 1)
    // All that a registry asks of a metric is its name and `get`.
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
