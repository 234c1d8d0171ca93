import type { ChildProcess } from 'node:child_process'
import { AggregatorRegistry, type MetricValue } from 'prom-client'
import { shareNextRun } from '../lib/share-runs.ts'
import { askProcesses } from './ask-processes.ts'
import type { MetricsSnapshot } from './messages.ts'
import type { SupervisedProcess } from './supervised-process.ts'

/** How long a scrape waits for the metrics of a process, which may be busy or dying; then those known last count, ms. */
const COLLECT_TIMEOUT_MS = 1_000

/** What only grows, and so must outlive the process that counted it. */
const LASTING_TYPES = new Set(['counter', 'histogram'])

/**
 * The metrics of processes and of all that were in their place before. What a process had counted when it ended stays counted,
 * so no counter falls when one is replaced.
 */
export class FleetMetrics {
  readonly #slots: readonly SupervisedProcess[]
  readonly #living = new Map<ChildProcess, MetricsSnapshot>()
  /** What processes had counted that are gone; added up from time to time, and never missing meanwhile. */
  readonly #departed: MetricsSnapshot[] = []
  #addingUp = false
  /** The values of all series that only grow, as they were told last. */
  readonly #highest = new Map<string, number>()

  constructor(slots: readonly SupervisedProcess[]) {
    this.#slots = slots
    for (const slot of slots) {
      slot.on('message', (message, child) => message.type === 'metrics' && this.#living.set(child, message.metrics))
      slot.on('gone', child => this.#depart(child))
    }
  }

  /** Collects and merges the metrics of every process; those who ask meanwhile share the next collection. */
  readonly collect = shareNextRun(() => this.#collectNow())

  async #collectNow(): Promise<MetricsSnapshot> {
    const question = { type: 'collect' } as const
    await askProcesses(this.#slots, { question, answer: 'metrics', timeoutMs: COLLECT_TIMEOUT_MS })
    const metrics = await merged([...this.#living.values(), ...this.#departed])
    for (const metric of metrics.filter(isLasting)) this.#keepFromFalling(metric)
    return metrics
  }

  /** Fractions add up to other last digits in another order, and Prometheus would take the smallest fall for a reset. */
  #keepFromFalling({ name, values }: MetricsSnapshot[number]): void {
    for (const sample of values as (MetricValue<string> & { metricName?: string })[]) {
      const series = `${sample.metricName ?? name}${JSON.stringify(sample.labels)}`
      sample.value = Math.max(sample.value, this.#highest.get(series) ?? 0)
      this.#highest.set(series, sample.value)
    }
  }

  #depart(child: ChildProcess): void {
    const last = this.#living.get(child)
    this.#living.delete(child)
    if (last === undefined) return
    this.#departed.push(last.filter(isLasting))
    if (!this.#addingUp) void this.#addUp()
  }

  async #addUp(): Promise<void> {
    this.#addingUp = true
    while (this.#departed.length > 1) {
      const sum = await merged(this.#departed.slice(0, 2))
      this.#departed.splice(0, 2, sum)
    }
    this.#addingUp = false
  }
}

function isLasting({ type }: MetricsSnapshot[number]): boolean {
  return LASTING_TYPES.has(String(type))
}

function merged(snapshots: readonly MetricsSnapshot[]): Promise<MetricsSnapshot> {
  return AggregatorRegistry.aggregate([...snapshots]).getMetricsAsJSON()
}
