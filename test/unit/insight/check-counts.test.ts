import { describe, expect, it } from '@jest/globals'
import { CheckCounts } from '../../../src/insight/check-counts.ts'
import { KeyTally } from '../../../src/insight/key-tally.ts'
import type { MeasureReport, OutcomeCounts } from '../../../src/insight/ports.ts'
import { decisionOf } from '../../support/decisions.ts'
import { policyOf } from '../../support/policies.ts'

const SETTLED = { key: 'user:1', policy: policyOf('user:*'), charged: 7 }

function countsTo(sent: (OutcomeCounts | MeasureReport)[], keys?: KeyTally): CheckCounts {
  const add = async (_atMs: number, report: OutcomeCounts | MeasureReport) => void sent.push(report)
  const unread = async () => {
    throw new Error('nothing is read')
  }
  const [outcomes, keyCounts] = [
    { add, read: unread },
    { add, read: unread },
  ]
  return new CheckCounts({ outcomes, keyCounts, keys, timeoutMs: 60_000 })
}

describe('the counts of a process', () => {
  it('are reported once, first by outcome and then by key', async () => {
    const sent: (OutcomeCounts | MeasureReport)[] = []
    const counts = countsTo(sent, new KeyTally())
    expect(counts.take(0, 5_000)).toBeUndefined()
    counts.decided(decisionOf())
    const report = counts.take(5_000, 10_000)
    expect(counts.take(10_000, 15_000)).toBeUndefined()
    if (report) await counts.send(report)
    expect(sent).toMatchObject([{ allowed: 1 }, { measure: 'allowed' }])
  })

  it('are reported too if reservations were settled, and nothing was checked', async () => {
    const sent: (OutcomeCounts | MeasureReport)[] = []
    const counts = countsTo(sent, new KeyTally())
    counts.settled(SETTLED)
    const report = counts.take(0, 5_000)
    if (report) await counts.send(report)
    expect(sent).toMatchObject([{ measure: 'tokens', growths: [{ key: 'user:1', growth: 7 }] }])
  })

  it('name no keys if none are kept', () => {
    const counts = countsTo([])
    counts.settled(SETTLED)
    expect(counts.take(0, 5_000)).toBeUndefined()
  })
})
