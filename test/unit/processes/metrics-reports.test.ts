import { beforeEach, describe, expect, it } from '@jest/globals'
import type { FromChild, MetricsSnapshot, ToChild } from '../../../src/processes/messages.ts'
import { MetricsReports } from '../../../src/processes/metrics-reports.ts'
import type { ParentLink } from '../../../src/processes/parent-link.ts'
import { eventually } from '../../support/eventually.ts'
import { metricOf } from '../../support/metrics-snapshots.ts'

const METRICS: MetricsSnapshot = [metricOf('counted', { values: new Array(1_250).fill(1) })]

let sent: FromChild[]
let ask: (question: ToChild) => void
let reports: MetricsReports
beforeEach(() => {
  sent = []
  const parent = {
    send: (message: FromChild) => sent.push(message),
    sendAndFlush: async (message: FromChild) => sent.push(message),
    onMessage: (listener: typeof ask) => {
      ask = listener
    },
  } as unknown as ParentLink
  const registry = { getMetricsAsJSON: async () => METRICS } as ConstructorParameters<typeof MetricsReports>[0]
  reports = new MetricsReports(registry, parent)
})

/** The index and the number of series of each piece that was sent, and whether it was the last. */
const sentPieces = () =>
  sent.map(message => {
    if (message.type !== 'metrics-piece') throw new Error(`an unexpected message ${message.type}`)
    return [message.index, message.piece.flatMap(({ series }) => series).length, message.isLast]
  })

const ALL = [
  [0, 500, false],
  [1, 500, false],
  [2, 250, true],
]

describe('the report of a process', () => {
  it('is sent a piece for each question', async () => {
    for (const index of [0, 1, 2]) {
      ask({ type: 'collect', index })
      await eventually(() => expect(sentPieces()).toEqual(ALL.slice(0, index + 1)))
    }
  })

  it('begins again if the parent does, and then has no piece twice', async () => {
    ask({ type: 'collect', index: 0 })
    await eventually(() => expect(sent).toHaveLength(1))
    ask({ type: 'collect', index: 0 })
    ask({ type: 'collect', index: 1 })
    await eventually(() => expect(sent).toHaveLength(2))
    ask({ type: 'collect', index: 1 })
    ask({ type: 'collect', index: 1 })
    await eventually(() => expect(sentPieces()).toEqual([ALL[0], ALL[0], ALL[1]]))
  })

  it('begins once for two questions at once, and goes on from there', async () => {
    ask({ type: 'collect', index: 0 })
    ask({ type: 'collect', index: 0 })
    await eventually(() => expect(sentPieces()).toEqual([ALL[0]]))
    ask({ type: 'collect', index: 1 })
    await eventually(() => expect(sentPieces()).toEqual([ALL[0], ALL[1]]))
  })

  it('is complete and unasked for the last time', async () => {
    ask({ type: 'collect', index: 0 })
    await eventually(() => expect(sent).toHaveLength(1))
    const final = [reports.sendFinal(), reports.sendFinal()]
    ask({ type: 'collect', index: 1 })
    await Promise.all(final)
    expect(sentPieces()).toEqual([ALL[0], ...ALL])
  })

  it('is one message for a primary of release 0.1.0, also for the last time', async () => {
    ask({ type: 'collect' })
    await eventually(() => expect(sent).toHaveLength(1))
    await reports.sendFinal()
    const whole = { type: 'metrics', metrics: METRICS }
    expect(sent).toEqual([whole, whole])
  })
})
