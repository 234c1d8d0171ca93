import { AggregatorRegistry, Gauge, Registry } from 'prom-client'
import type { MetricsSnapshot } from './messages.ts'

/** What only grows, and so must outlive the process that counted it. */
const LASTING_TYPES = new Set(['counter', 'histogram'])

/**
 * The metrics of all front processes together. What a process had counted when it ended stays counted, so no counter falls
 * when one is replaced.
 */
export class FleetMetrics {
  readonly #living = new Map<number, MetricsSnapshot>()
  #departed: MetricsSnapshot = []
  readonly #own = new Registry()

  constructor(processes: () => number) {
    new Gauge({
      name: 'throttler_front_processes',
      help: 'Front processes that run',
      registers: [this.#own],
      collect() {
        this.set(processes())
      },
    })
  }

  update(pid: number, metrics: MetricsSnapshot): void {
    this.#living.set(pid, metrics)
  }

  async depart(pid: number): Promise<void> {
    const last = this.#living.get(pid)
    this.#living.delete(pid)
    if (last === undefined) return
    const lasting = last.filter(({ type }) => LASTING_TYPES.has(String(type)))
    this.#departed = await AggregatorRegistry.aggregate([this.#departed, lasting]).getMetricsAsJSON()
  }

  /** Prometheus text. */
  async render(): Promise<string> {
    const own = await this.#own.getMetricsAsJSON()
    return AggregatorRegistry.aggregate([...this.#living.values(), this.#departed, own]).metrics()
  }
}
