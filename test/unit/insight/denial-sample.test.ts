import { beforeEach, describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { DenialSample } from '../../../src/insight/denial-sample.ts'
import type { Denial } from '../../../src/insight/ports.ts'
import { decisionOf } from '../../support/decisions.ts'
import { policyOf } from '../../support/policies.ts'
import { runs } from '../../support/property-runs.ts'

const START_MS = Date.parse('2026-01-31T12:00:00.000Z')
const MAX_PER_SECOND = 100

let nowMs: number
let sample: DenialSample
beforeEach(() => {
  nowMs = START_MS
  sample = new DenialSample(() => nowMs)
})

const deny = (key: string, requestId?: string) => sample.decided(decisionOf({ key, allowed: false }), requestId)
const takeAll = () => sample.take(Number.POSITIVE_INFINITY) ?? []
const secondsOf = (denials: readonly Denial[]) => denials.map(({ atMs, key }) => `${Math.floor(atMs / 1_000)} ${key}`)

describe('the sample of denials', () => {
  it('says why a check was denied', () => {
    const policy = policyOf('user:*', {}, 3)
    const states = policy.limits.map(limit => ({ limit, allows: false }) as never)
    const denied = {
      policy,
      states,
      allowed: false,
      tokens: 5,
      remaining: 4,
      retryAfterMs: 900,
      source: 'redis',
    } as const
    sample.decided(decisionOf(denied), 'a-request')
    expect(takeAll()).toEqual([
      {
        atMs: START_MS,
        key: 'user:1',
        policy: 'user:*',
        policyVersion: 3,
        violated: ['default'],
        tokens: 5,
        remaining: 4,
        retryAfterMs: 900,
        source: 'redis',
        requestId: 'a-request',
      },
    ])
  })

  it('has no check that is allowed or shadowed', () => {
    sample.decided(decisionOf(), undefined)
    sample.decided(decisionOf({ shadowed: true }), undefined)
    expect(sample.take(Number.POSITIVE_INFINITY)).toBeUndefined()
  })

  it('has the first denial of a key in each second, and hands over seconds that have ended', () => {
    deny('a', 'first')
    deny('a', 'second')
    expect(sample.take(START_MS + 999)).toBeUndefined()
    nowMs = START_MS + 999
    deny('a', 'third')
    expect(sample.take(START_MS + 1_000)).toMatchObject([{ requestId: 'first' }])
    nowMs = START_MS + 1_001
    deny('a', 'fourth')
    expect(takeAll()).toMatchObject([{ requestId: 'fourth' }])
  })

  it('has at most one denial for each key and second, and a hundred in a second, in any history', () => {
    const denials = fc.array(fc.record({ key: fc.nat(200), afterMs: fc.nat(15) }), { maxLength: 1_000 })
    fc.assert(
      fc.property(denials, denials => {
        nowMs = START_MS
        sample = new DenialSample(() => nowMs)
        const taken: Denial[] = []
        for (const { key, afterMs } of denials) {
          nowMs += afterMs
          deny(String(key))
          if (key % 7 === 0) taken.push(...(sample.take(nowMs) ?? []))
        }
        taken.push(...takeAll())
        expect(new Set(secondsOf(taken)).size).toBe(taken.length)
        const keysBySecond = new Map<number, Set<number>>()
        let atMs = START_MS
        for (const { key, afterMs } of denials) {
          atMs += afterMs
          const second = Math.floor(atMs / 1_000)
          keysBySecond.set(second, (keysBySecond.get(second) ?? new Set()).add(key))
        }
        for (const [second, keys] of keysBySecond) {
          const sampled = taken.filter(({ atMs }) => Math.floor(atMs / 1_000) === second)
          expect(sampled.length).toBe(Math.min(keys.size, MAX_PER_SECOND))
        }
      }),
      runs(100, 2_000),
    )
  })

  it('gives every key a chance, whichever come first', () => {
    const seen = new Set<string>()
    for (let second = 0; second < 60; second++) {
      nowMs = START_MS + second * 1_000
      for (let key = 0; key < 1_000; key++) deny(String(key))
    }
    for (const { key } of takeAll()) seen.add(key)
    expect(seen.size).toBeGreaterThan(900)
  })
})
