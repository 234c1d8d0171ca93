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
  /** What processes had counted that are gone; added up from time to time, and never missing meanwhile. */
  readonly #departed: MetricsSnapshot[] = []
  #addingUp = false
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

  depart(pid: number): void {
    const last = this.#living.get(pid)
    this.#living.delete(pid)
    if (last === undefined) return
    this.#departed.push(last.filter(({ type }) => LASTING_TYPES.has(String(type))))
    if (!this.#addingUp) void this.#addUp()
  }

  async #addUp(): Promise<void> {
    this.#addingUp = true
    while (this.#departed.length > 1) {
      const sum = await AggregatorRegistry.aggregate(this.#departed.slice(0, 2)).getMetricsAsJSON()
      this.#departed.splice(0, 2, sum)
    }
    this.#addingUp = false
  }

  /** Prometheus text. */
  async render(): Promise<string> {
    const own = await this.#own.getMetricsAsJSON()
    return AggregatorRegistry.aggregate([...this.#living.values(), ...this.#departed, own]).metrics()
  }
}
