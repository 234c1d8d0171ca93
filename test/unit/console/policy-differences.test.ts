import { describe, expect, it } from '@jest/globals'
import type { PolicyDefinition } from '../../../console/api/types.ts'
import { differencesOf } from '../../../console/text/policy-differences.ts'

const BURST = { name: 'burst', capacity: 10, refillTokens: 1, refillIntervalMs: 1000 }
const DAILY = { name: 'daily', kind: 'quota', capacity: 100, period: 'day' }
const POLICY: PolicyDefinition = { limits: [BURST], mode: 'enforce' }
const ENDING: PolicyDefinition = { mode: 'block', expiresAt: '2026-01-31T14:03:00.100Z', then: POLICY }

const every = (refillIntervalMs: number): PolicyDefinition => ({ limits: [{ ...BURST, refillIntervalMs }] })
const inOrder = (...limits: NonNullable<PolicyDefinition['limits']>): PolicyDefinition => ({ limits })
const followedBy = (changes: PolicyDefinition): PolicyDefinition => ({ ...ENDING, then: { ...POLICY, ...changes } })

describe('the difference between two policies', () => {
  it('is nothing between equal ones', () => {
    expect(differencesOf(POLICY, { ...POLICY })).toEqual([])
    expect(differencesOf(null, null)).toEqual([])
  })

  it('is nothing between ones of which one has what the other has by default', () => {
    const given = { limits: [{ shadow: false, kind: 'bucket', ...BURST }], mode: 'enforce', overdraft: false }
    const { refillIntervalMs: _, ...short } = BURST
    expect(differencesOf({ limits: [short] }, given)).toEqual([])
  })

  it('names limits by their name, and every other member', () => {
    const to = { ...POLICY, limits: [{ ...BURST, shadow: true }], description: 'x', then: null, overdraft: true }
    expect(differencesOf(POLICY, to)).toEqual([
      { member: 'limit burst', from: '10 tokens, 1 more every 1 s', to: '10 tokens, 1 more every 1 s (shadow)' },
      { member: 'overdraft', from: undefined, to: 'true' },
      { member: 'description', from: undefined, to: 'x' },
      { member: 'then', from: undefined, to: 'no policy' },
    ])
  })

  it('to none is every member', () => {
    expect(differencesOf(POLICY, null).map(({ member, to }) => [member, to])).toEqual([
      ['limit burst', undefined],
      ['mode', undefined],
    ])
  })

  it.each([
    [90_001, 91_000],
    [1001, 1099],
    [86_400_000, 89_900_000],
    [172_800_000, 176_399_000],
  ])('shows that an interval of %d ms becomes one of %d ms', (before, after) => {
    const [difference, ...others] = differencesOf(every(before), every(after))
    expect(difference?.member).toBe('limit burst')
    expect(difference?.from).not.toBe(difference?.to)
    expect(others).toEqual([])
  })

  it('shows fractions of a second', () => {
    expect(differencesOf(ENDING, { ...ENDING, expiresAt: '2026-01-31T14:03:00.900Z' })).toEqual([
      { member: 'ends', from: expect.stringMatching(/:03:00\.100$/), to: expect.stringMatching(/:03:00\.900$/) },
    ])
  })

  it('shows the order of limits, unless it follows from what is added at the end or removed', () => {
    const both = inOrder(BURST, DAILY)
    const order = { member: 'order of limits', from: 'burst, daily', to: 'daily, burst' }
    expect(differencesOf(both, inOrder(DAILY, BURST))).toEqual([order])
    expect(differencesOf(both, inOrder(DAILY)).map(({ member }) => member)).toEqual(['limit burst'])
    expect(differencesOf(inOrder(BURST), both).map(({ member }) => member)).toEqual(['limit daily'])
    expect(differencesOf(inOrder(DAILY), both)).toContainEqual({ ...order, from: 'daily', to: 'burst, daily' })
  })

  it('shows every member of what follows a temporary policy', () => {
    expect(differencesOf(followedBy({ onStoreFailure: 'allow' }), followedBy({ onStoreFailure: 'deny' }))).toEqual([
      { member: 'then: onStoreFailure', from: 'allow', to: 'deny' },
    ])
    expect(differencesOf(ENDING, followedBy({ description: 'x', overdraft: true }))).toEqual([
      { member: 'then: overdraft', from: undefined, to: 'true' },
      { member: 'then: description', from: undefined, to: 'x' },
    ])
    expect(differencesOf(followedBy(inOrder(BURST, DAILY)), followedBy(inOrder(DAILY, BURST)))).toEqual([
      { member: 'then: order of limits', from: 'burst, daily', to: 'daily, burst' },
    ])
    expect(differencesOf(ENDING, { ...ENDING, then: null }).map(({ member, to }) => [member, to])).toEqual([
      ['then: limit burst', undefined],
      ['then: mode', undefined],
      ['then', 'no policy'],
    ])
  })

  it('is shown as JSON where the words are the same', () => {
    const unknown = (value: unknown) => ({ ...POLICY, unknown: value })
    expect(differencesOf(unknown(true), unknown('true'))).toEqual([{ member: 'unknown', from: 'true', to: '"true"' }])
    const [{ from, to } = {}] = differencesOf(inOrder({ ...BURST, unknown: 1 } as typeof BURST), POLICY)
    expect([from, to]).toEqual([expect.stringContaining('"unknown":1'), expect.not.stringContaining('unknown')])
  })
})
