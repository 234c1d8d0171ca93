import type { MetricPart, MetricsPiece, MetricsSnapshot } from './messages.ts'
import { seriesText } from './metrics-text.ts'

/** Series in one piece. To make, send, merge or write one takes less than a millisecond, and each is done in a turn of its own. */
export const SERIES_PER_PIECE = 500

/** A metric that can be cut into parts. */
export interface Divisible {
  /** Its number of series. */
  readonly size: number
  part(from: number, to: number): MetricPart
}

/** Divides metrics into pieces, each when it is asked for; there is at least one. */
export function* inPieces(metrics: Iterable<Divisible>): Generator<MetricsPiece> {
  let piece: MetricPart[] = []
  let room = SERIES_PER_PIECE
  for (const metric of metrics) {
    const { size } = metric
    let from = 0
    do {
      const to = Math.min(size, from + room)
      piece.push(metric.part(from, to))
      room -= to - from
      from = to
      if (room > 0) continue
      yield piece
      piece = []
      room = SERIES_PER_PIECE
    } while (from < size)
  }
  yield piece
}

/** The metrics of this process, without those that are not to be merged. */
export function piecesOf(metrics: MetricsSnapshot): Generator<MetricsPiece> {
  return inPieces(metrics.filter(({ aggregator }) => aggregator !== 'omit').map(divisible))
}

function divisible({ name, help, type, aggregator, values }: MetricsSnapshot[number]): Divisible {
  return {
    size: values.length,
    part(from, to) {
      const samples = values.slice(from, to)
      return {
        name,
        help,
        type: String(type),
        aggregator,
        series: samples.map(sample => seriesText(name, sample)),
        values: samples.map(({ value }) => finite(value)),
      }
    },
  }
}

/** The event loop's lag is not a number before it was measured, which JSON cannot tell. */
function finite(value: number): number {
  return Number.isFinite(value) ? value : 0
}
