import { Histogram } from './histogram.ts'
import type { LoadResult } from './messages.ts'

/** Counts answers and their latencies since it was last cleared. */
export class Tally {
  readonly #latencies = new Histogram()
  readonly #statuses = new Uint32Array(1000)
  #answers = 0
  #since = performance.now()

  count(status: number, latencyMs: number): void {
    this.#answers++
    this.#statuses[status] = (this.#statuses[status] ?? 0) + 1
    this.#latencies.record(latencyMs)
  }

  clear(): void {
    this.#answers = 0
    this.#statuses.fill(0)
    this.#latencies.clear()
    this.#since = performance.now()
  }

  throughput(): Pick<LoadResult, 'answers' | 'seconds'> {
    return { answers: this.#answers, seconds: (performance.now() - this.#since) / 1000 }
  }

  latencies(): Omit<LoadResult, 'answers' | 'seconds'> {
    const statuses = [...this.#statuses.entries()].filter(([, count]) => count > 0)
    return {
      p50Ms: this.#latencies.quantile(0.5),
      p99Ms: this.#latencies.quantile(0.99),
      maxMs: this.#latencies.maxMs,
      statuses: Object.fromEntries(statuses),
    }
  }
}
