import { describe, expect, it } from '@jest/globals'
import type { Decision } from '../../../src/domain/decision.ts'
import { KeyTally } from '../../../src/insight/key-tally.ts'
import { decisionOf } from '../../support/decisions.ts'
import { policyOf } from '../../support/policies.ts'

const allowing = { allows: true } as Decision['states'][number]

/** What a tally reports of the key after these decisions, by measure. */
function reportOf(...decisions: readonly Partial<Decision>[]): Record<string, number | undefined> {
  const tally = new KeyTally()
  for (const { allowed = true, tokens = 1, ...decision } of decisions)
    tally.decided(decisionOf({ states: [allowing], allowed, tokens, charged: allowed ? tokens : 0, ...decision }))
  return Object.fromEntries(tally.takeReports().map(({ measure, growths }) => [measure, growths[0]?.growth]))
}

describe('the tally of keys', () => {
  it('counts checks and spent tokens', () => {
    expect(reportOf({ tokens: 3 }, { tokens: 0 }, { allowed: false, tokens: 5 })).toEqual({
      denied: 1,
      allowed: 2,
      tokens: 3,
    })
  })

  it('counts every check of a flood', () => {
    const flood = Array.from({ length: 5_000 }, () => ({ allowed: false, source: 'denied-cache' }) as const)
    expect(reportOf(...flood)).toEqual({ denied: 5_000 })
  })

  it('counts a shadowed check as allowed too, with its tokens unless only the mode allows it', () => {
    expect(reportOf({ shadowed: true, tokens: 2 })).toEqual({ allowed: 1, shadowed: 1, tokens: 2 })
    expect(reportOf({ shadowed: true, tokens: 2, charged: 0 })).toEqual({ allowed: 1, shadowed: 1 })
  })

  it('counts of a denied check the tokens that were charged, and none that are given back', () => {
    expect(reportOf({ allowed: false, tokens: 5, charged: 3 })).toEqual({ denied: 1, tokens: 3 })
    expect(reportOf({ tokens: -5 })).toEqual({ allowed: 1 })
  })

  it('counts no tokens where no bucket was needed', () => {
    expect(reportOf({ states: [], source: 'policy', charged: 0 })).toEqual({ allowed: 1 })
  })

  it('counts the tokens of a reservation when it is settled, or at once if nothing could be held', () => {
    expect(reportOf({ reserves: true, tokens: 5 }, { reserves: true, tokens: 2, degraded: true })).toEqual({
      allowed: 2,
      tokens: 2,
    })
    const tally = new KeyTally()
    tally.settled({ key: 'user:1', policy: policyOf('user:*'), charged: 0 })
    expect(tally.takeReports()).toEqual([])
    tally.settled({ key: 'user:1', policy: policyOf('user:*'), charged: 7 })
    expect(tally.takeReports()).toMatchObject([{ measure: 'tokens', growths: [{ key: 'user:1', growth: 7 }] }])
  })

  it('reports what was counted since the previous report, by the policy that decided last', () => {
    const tally = new KeyTally()
    const decide = (configKey: string) => tally.decided(decisionOf({ allowed: false, policy: policyOf(configKey) }))
    decide('*')
    expect(tally.takeReports()).toEqual([
      {
        measure: 'denied',
        errorGrowth: 0,
        growths: [{ key: 'user:1', policy: '*', growth: 1, earlierPolicy: undefined }],
      },
    ])
    expect(tally.takeReports()).toEqual([])
    tally.startMinute()
    decide('*')
    decide('user:1')
    expect(tally.takeReports()[0]?.growths).toEqual([
      { key: 'user:1', policy: 'user:1', growth: 2, earlierPolicy: '*' },
    ])
  })

  it('reports how the error of a minute grows and shrinks', () => {
    const tally = new KeyTally()
    const decide = (from: number, to: number) => {
      for (let i = from; i < to; i++) tally.decided(decisionOf({ key: `user:${i}`, policy }))
    }
    const policy = policyOf('user:*')
    decide(0, 5_000)
    expect(tally.takeReports()).toMatchObject([{ measure: 'allowed', errorGrowth: 1 }])
    tally.startMinute()
    decide(0, 5_000)
    expect(tally.takeReports()).toMatchObject([{ measure: 'allowed', errorGrowth: 1 }])
  })
})
