import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Aggregator } from 'prom-client'
import type { MetricPart, MetricsPiece } from './messages.ts'
import { type Divisible, inPieces } from './metrics-pieces.ts'

/** How values of one series are combined. An average is a sum until it is divided. */
const COMBINE: Readonly<Record<Exclude<Aggregator, 'omit'>, (a: number, b: number) => number>> = {
  sum: (a, b) => a + b,
  average: (a, b) => a + b,
  first: a => a,
  min: Math.min,
  max: Math.max,
}

/** Merges metrics of several processes, a piece in each turn of the event loop. */
export async function mergeMetrics(pieces: Iterable<MetricsPiece>): Promise<readonly MetricsPiece[]> {
  const metrics = new Map<string, MergedMetric>()
  for (const piece of pieces) {
    for (const part of piece) {
      const metric = metrics.get(part.name) ?? new MergedMetric(part)
      metrics.set(part.name, metric)
      metric.add(part)
    }
    await nextTurn()
  }
  const merged: MetricsPiece[] = []
  for (const piece of inPieces(metrics.values())) {
    merged.push(piece)
    await nextTurn()
  }
  return merged
}

class MergedMetric implements Divisible {
  readonly #head: Omit<MetricPart, 'series' | 'values'>
  readonly #combine: (a: number, b: number) => number
  /** Where a series is in the lists. */
  readonly #positions = new Map<string, number>()
  readonly #series: string[] = []
  readonly #values: number[] = []
  /** How many values were combined. */
  readonly #counts: number[] = []

  constructor({ name, help, type, aggregator }: MetricPart) {
    this.#head = { name, help, type, aggregator }
    this.#combine = COMBINE[aggregator as keyof typeof COMBINE]
  }

  get size(): number {
    return this.#series.length
  }

  add({ series, values }: MetricPart): void {
    for (const [i, name] of series.entries()) this.#addValue(name, values[i] as number)
  }

  #addValue(series: string, value: number): void {
    const position = this.#positions.get(series)
    if (position === undefined) {
      this.#positions.set(series, this.size)
      this.#series.push(series)
      this.#values.push(value)
      this.#counts.push(1)
      return
    }
    this.#values[position] = this.#combine(this.#values[position] as number, value)
    this.#counts[position] = (this.#counts[position] as number) + 1
  }

  part(from: number, to: number): MetricPart {
    const values = this.#values.slice(from, to)
    const { aggregator } = this.#head
    return {
      ...this.#head,
      series: this.#series.slice(from, to),
      values: aggregator === 'average' ? values.map((sum, i) => sum / (this.#counts[from + i] as number)) : values,
    }
  }
}
