import type { ChildProcess } from 'node:child_process'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { shareNextRun } from '../lib/share-runs.ts'
import { askProcesses } from './ask-processes.ts'
import { BoundedLabels } from './bounded-labels.ts'
import { mergeMetrics } from './merge-metrics.ts'
import type { FromChild, MetricPart, MetricsPiece, MetricsReport, MetricsSnapshot, ToChild } from './messages.ts'
import { piecesOf } from './metrics-pieces.ts'
import { MetricsText } from './metrics-text.ts'
import type { SupervisedProcess } from './supervised-process.ts'

/** How long a scrape waits for one process, in ms. After that, its last known metrics count. */
const COLLECT_TIMEOUT_MS = 2_000

/** Metrics that never decrease, so they must outlive the process that counted them. */
const CUMULATIVE_TYPES = new Set(['counter', 'histogram'])

interface FleetMetricsOptions {
  readonly slots: readonly SupervisedProcess[]
  /** What is published with the metrics of the processes. */
  others(): Promise<readonly MetricsSnapshot[]>
  /** Minimum time between two collections, in ms. */
  readonly intervalMs: number
}

/**
 * The merged metrics of the present processes and of all their predecessors. Counts of a process stay after it has exited, so no
 * counter decreases when a process is replaced. This process also hands over all new connections, so it treats metrics in pieces, each
 * in a turn of its own.
 */
export class FleetMetrics {
  readonly #slots: readonly SupervisedProcess[]
  readonly #others: FleetMetricsOptions['others']
  readonly #labels = new BoundedLabels()
  /** Reports that have begun. */
  readonly #arriving = new Map<ChildProcess, MetricsPiece[]>()
  readonly #latest = new Map<ChildProcess, readonly MetricsPiece[]>()
  /** Final counts of processes that have exited. They are merged in the background, and are complete at any time. */
  readonly #exited: (readonly MetricsPiece[])[] = []
  #isMerging = false
  /** The last reported value of each cumulative series. */
  readonly #highest = new Map<string, number>()

  /** Prometheus' text of all metrics, in pieces. Callers that arrive during a collection share the next one. */
  readonly collect: () => Promise<readonly string[]>

  constructor({ slots, others, intervalMs }: FleetMetricsOptions) {
    this.#slots = slots
    this.#others = others
    this.collect = shareNextRun(() => this.#collectNow(), intervalMs)
    for (const slot of slots) {
      slot.on('message', (message, child) => message.type === 'metrics-piece' && this.#receive(message, child))
      slot.on('gone', child => this.#keepFinalCounts(child))
    }
  }

  async #collectNow(): Promise<readonly string[]> {
    // Those that drain still count.
    const ready = this.#slots.flatMap(slot => slot.ready)
    await askProcesses(ready, { question: questionFor(0), answeredBy: isReported, timeoutMs: COLLECT_TIMEOUT_MS })
    const others = (await this.#others()).map(metrics => [...piecesOf(metrics)])
    return this.#write(await mergeMetrics([...this.#latest.values(), ...this.#exited, ...others].flat()))
  }

  async #write(pieces: readonly MetricsPiece[]): Promise<readonly string[]> {
    const text = new MetricsText()
    const written: string[] = []
    for (const piece of pieces) {
      written.push(text.write(piece.map(part => (isCumulative(part) ? this.#preventDecrease(part) : part))))
      await nextTurn()
    }
    return written
  }

  /** Adding fractions in another order changes the last digits, and Prometheus takes the smallest decrease for a reset. */
  #preventDecrease(part: MetricPart): MetricPart {
    const values = part.values.map((value, i) => {
      const series = part.series[i] as string
      const highest = Math.max(value, this.#highest.get(series) ?? 0)
      this.#highest.set(series, highest)
      return highest
    })
    return { ...part, values }
  }

  #receive({ index, piece, isLast }: MetricsReport, child: ChildProcess): void {
    const arrived = index === 0 ? [] : this.#arriving.get(child)
    // The rest of a report that was given up.
    if (arrived?.length !== index) return
    arrived.push(this.#labels.inPiece(piece))
    this.#arriving.set(child, arrived)
    if (!isLast) return
    this.#arriving.delete(child)
    this.#latest.set(child, arrived)
  }

  #keepFinalCounts(child: ChildProcess): void {
    const last = this.#latest.get(child)
    this.#latest.delete(child)
    this.#arriving.delete(child)
    if (last === undefined) return
    this.#exited.push(last.map(piece => piece.filter(isCumulative)))
    if (!this.#isMerging) void this.#mergeExited()
  }

  async #mergeExited(): Promise<void> {
    this.#isMerging = true
    while (this.#exited.length > 1) {
      const sum = await mergeMetrics(this.#exited.slice(0, 2).flat())
      this.#exited.splice(0, 2, sum)
    }
    this.#isMerging = false
  }
}

function questionFor(index: number): ToChild {
  return { type: 'collect', index }
}

/** Whether a message is the last piece of a report, or else the question for the next one. */
function isReported(message: FromChild): boolean | ToChild {
  if (message.type !== 'metrics-piece') return false
  return message.isLast || questionFor(message.index + 1)
}

function isCumulative({ type }: MetricPart): boolean {
  return CUMULATIVE_TYPES.has(type)
}
