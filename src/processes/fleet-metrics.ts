import type { ChildProcess } from 'node:child_process'
import { AggregatorRegistry, type MetricValue } from 'prom-client'
import { shareNextRun } from '../lib/share-runs.ts'
import { askProcesses } from './ask-processes.ts'
import type { MetricsSnapshot } from './messages.ts'
import type { SupervisedProcess } from './supervised-process.ts'

/** How long a scrape waits for one process, in ms. After that, its last known metrics count. */
const COLLECT_TIMEOUT_MS = 1_000

/** Metrics that never decrease, so they must outlive the process that counted them. */
const CUMULATIVE_TYPES = new Set(['counter', 'histogram'])

/**
 * The merged metrics of the present processes and of all their predecessors. Counts of a process stay after it has exited, so no
 * counter decreases when a process is replaced.
 */
export class FleetMetrics {
  readonly #slots: readonly SupervisedProcess[]
  readonly #latest = new Map<ChildProcess, MetricsSnapshot>()
  /** Final counts of processes that have exited. They are merged in the background, and are complete at any time. */
  readonly #exited: MetricsSnapshot[] = []
  #isMerging = false
  /** The last reported value of each cumulative series. */
  readonly #highest = new Map<string, number>()

  constructor(slots: readonly SupervisedProcess[]) {
    this.#slots = slots
    for (const slot of slots) {
      slot.on('message', (message, child) => message.type === 'metrics' && this.#latest.set(child, message.metrics))
      slot.on('gone', child => this.#keepFinalCounts(child))
    }
  }

  /** Collects and merges the metrics of every process; callers that arrive meanwhile share the next collection. */
  readonly collect = shareNextRun(() => this.#collectNow())

  async #collectNow(): Promise<MetricsSnapshot> {
    const question = { type: 'collect' } as const
    await askProcesses(this.#slots, { question, answer: 'metrics', timeoutMs: COLLECT_TIMEOUT_MS })
    const metrics = await merge([...this.#latest.values(), ...this.#exited])
    for (const metric of metrics.filter(isCumulative)) this.#preventDecrease(metric)
    return metrics
  }

  /** Adding fractions in another order changes the last digits, and Prometheus takes the smallest decrease for a reset. */
  #preventDecrease({ name, values }: MetricsSnapshot[number]): void {
    for (const sample of values as (MetricValue<string> & { metricName?: string })[]) {
      const series = `${sample.metricName ?? name}${JSON.stringify(sample.labels)}`
      sample.value = Math.max(sample.value, this.#highest.get(series) ?? 0)
      this.#highest.set(series, sample.value)
    }
  }

  #keepFinalCounts(child: ChildProcess): void {
    const last = this.#latest.get(child)
    this.#latest.delete(child)
    if (last === undefined) return
    this.#exited.push(last.filter(isCumulative))
    if (!this.#isMerging) void this.#mergeExited()
  }

  async #mergeExited(): Promise<void> {
    this.#isMerging = true
    while (this.#exited.length > 1) {
      const sum = await merge(this.#exited.slice(0, 2))
      this.#exited.splice(0, 2, sum)
    }
    this.#isMerging = false
  }
}

function isCumulative({ type }: MetricsSnapshot[number]): boolean {
  return CUMULATIVE_TYPES.has(String(type))
}

function merge(snapshots: readonly MetricsSnapshot[]): Promise<MetricsSnapshot> {
  return AggregatorRegistry.aggregate([...snapshots]).getMetricsAsJSON()
}
