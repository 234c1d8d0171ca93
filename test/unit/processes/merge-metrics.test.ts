import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { AggregatorRegistry } from 'prom-client'
import { mergeMetrics } from '../../../src/processes/merge-metrics.ts'
import type { MetricsPiece, MetricsSnapshot } from '../../../src/processes/messages.ts'
import { inPieces, piecesOf, SERIES_PER_PIECE } from '../../../src/processes/metrics-pieces.ts'
import { MetricsText } from '../../../src/processes/metrics-text.ts'
import { metricOf } from '../../support/metrics-snapshots.ts'

const TYPES = ['counter', 'gauge', 'histogram']
const AGGREGATORS = ['sum', 'first', 'min', 'max', 'average', 'omit']
const TEXT = fc.string({ unit: fc.constantFrom('a', '"', '\\', '\n', 'é', ' '), maxLength: 3 })

/** Metrics of processes of one release: each name has one type and help, and labels come in one order. */
const snapshots = fc
  .tuple(
    fc.array(fc.record({ type: fc.constantFrom(...TYPES), aggregator: fc.constantFrom(...AGGREGATORS), help: TEXT })),
  )
  .chain(([metrics]) =>
    fc.array(fc.tuple(...metrics.map((metric, i) => fc.option(metricWith({ name: `m${i}`, ...metric }))))),
  )
  .map(processes => processes.map(metrics => metrics.filter(metric => metric !== null)) as unknown as MetricsSnapshot[])

function metricWith(head: { name: string; type: string; aggregator: string; help: string }) {
  const sample = fc.record(
    {
      value: fc.oneof(fc.integer(), fc.double({ noNaN: true, min: -1e300, max: 1e300 })),
      labels: fc.oneof(
        fc.constant({}),
        fc.record({ a: TEXT }),
        fc.record({ b: TEXT, le: fc.constantFrom(0.5, '+Inf') }),
      ),
      metricName: fc.constantFrom(`${head.name}_sum`, `${head.name}_count`),
    },
    { requiredKeys: ['value', 'labels'] },
  )
  const identity = ({ labels, metricName }: { labels: object; metricName?: string }) =>
    JSON.stringify([labels, metricName])
  return fc.uniqueArray(sample, { selector: identity, maxLength: 5 }).map(values => ({ ...head, values }))
}

async function textOf(processes: readonly MetricsSnapshot[]): Promise<string> {
  const text = new MetricsText()
  const merged = await mergeMetrics(processes.flatMap(metrics => [...piecesOf(metrics)]))
  return merged.map(piece => text.write(piece)).join('')
}

/** The number of series that each turn of the event loop took from the pieces. */
async function seriesByTurn(
  merge: (pieces: Iterable<MetricsPiece>) => Promise<unknown>,
  pieces: readonly MetricsPiece[],
) {
  const series: number[] = []
  let turn = 0
  let isDone = false
  const count = () => {
    turn++
    if (!isDone) setImmediate(count)
  }
  setImmediate(count)
  await merge(
    (function* () {
      for (const piece of pieces) {
        series[turn] = (series[turn] ?? 0) + piece.flatMap(({ series }) => series).length
        yield piece
      }
    })(),
  )
  isDone = true
  return series
}

describe('merged metrics', () => {
  it('have the text that prom-client writes of them', async () => {
    const property = fc.asyncProperty(snapshots, async processes => {
      const expected = await AggregatorRegistry.aggregate(processes).metrics()
      // Of no metrics at all, prom-client writes an empty line.
      expect((await textOf(processes)) || '\n').toBe(expected)
    })
    await fc.assert(property, { numRuns: 200 })
  })

  it('have 0 for what is not a number', async () => {
    const text = await textOf([[metricOf('lag', { type: 'gauge', values: [Number.NaN, Number.POSITIVE_INFINITY] })]])
    expect(text.split('\n').slice(2, 4)).toEqual(['lag{series="0"} 0', 'lag{series="1"} 0'])
  })

  it('take at most 500 series in a turn of the event loop', async () => {
    const metrics = [metricOf('m', { values: Array.from({ length: 10 * SERIES_PER_PIECE }, (_, i) => i) })]
    const series = await seriesByTurn(mergeMetrics, [...piecesOf(metrics), ...piecesOf(metrics)])
    expect(Math.max(...series.filter(Number.isFinite))).toBe(SERIES_PER_PIECE)
  })
})

describe('pieces of metrics', () => {
  it('hold small metrics together, and divide large ones', () => {
    const sizes = [150, 0, 300, 550, 500, 2, 998]
    const metrics = sizes.map((size, i) => metricOf(`m${i}`, { values: new Array(size).fill(1) }))
    const pieces = [...piecesOf(metrics)].map(piece => piece.map(({ name, series }) => [name, series.length]))
    expect(pieces).toEqual([
      [
        ['m0', 150],
        ['m1', 0],
        ['m2', 300],
        ['m3', 50],
      ],
      [['m3', 500]],
      [['m4', 500]],
      [
        ['m5', 2],
        ['m6', 498],
      ],
      [['m6', 500]],
      [],
    ])
  })

  it('are made when they are asked for', () => {
    let made = 0
    const metric = {
      size: 5_000,
      part: (from: number, to: number) => {
        made += to - from
        return { name: 'm', help: '', type: 'gauge', aggregator: 'sum' as const, series: [], values: [] }
      },
    }
    const pieces = inPieces([metric])
    pieces.next()
    expect(made).toBe(500)
  })
})
