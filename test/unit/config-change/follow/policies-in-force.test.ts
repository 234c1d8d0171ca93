import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals'
import { PoliciesInForce } from '../../../../src/config-change/follow/policies-in-force.ts'
import { PolicyTable } from '../../../../src/domain/policy-table.ts'
import { definitionOf, limitOf, policyOf } from '../../../support/policies.ts'

const DAY_MS = 86_400_000
const START_MS = Date.parse('2026-01-31T12:00:00.000Z')

const small = definitionOf({ limits: [limitOf({ capacity: 10 })] })
const large = definitionOf({ limits: [limitOf({ capacity: 1_000 })] })

let table: PolicyTable
let inForce: PoliciesInForce
/** How far the clock of the machine is set forward. */
let shiftMs: number

beforeEach(() => {
  jest.useFakeTimers({ now: START_MS })
  shiftMs = 0
  table = new PolicyTable(policyOf('default', { description: 'built-in' }))
  inForce = new PoliciesInForce({ table, now: () => Date.now() + shiftMs })
})
afterEach(() => {
  inForce.stop()
  jest.useRealTimers()
})

const endsIn = (ms: number, then: typeof small | null = small) => ({
  ...large,
  expiresAt: new Date(START_MS + ms).toISOString(),
  then,
})
const enforced = (key: string) => {
  const { version, definition } = table.match(key)
  return { version, definition }
}

describe('the policies in force', () => {
  it('switch at the end of a temporary policy, with its version', () => {
    inForce.set('user:1', 2, endsIn(5_000))
    jest.advanceTimersByTime(4_999)
    expect(enforced('user:1')).toEqual({ version: 2, definition: large })
    jest.advanceTimersByTime(1)
    expect(enforced('user:1')).toEqual({ version: 2, definition: small })
  })

  it('lose a temporary policy that nothing follows', () => {
    inForce.set('user:*', 1, endsIn(5_000, null))
    expect(enforced('user:1').definition).toEqual(large)
    jest.advanceTimersByTime(5_000)
    expect(enforced('user:1').definition).toEqual(definitionOf({ description: 'built-in' }))
    expect(table.size).toBe(0)
  })

  it('switch after months, which no timer can wait for', () => {
    inForce.set('user:1', 1, endsIn(30 * DAY_MS))
    jest.setSystemTime(START_MS + 30 * DAY_MS - 1_000)
    jest.advanceTimersByTime(999)
    expect(enforced('user:1').definition).toEqual(large)
    jest.advanceTimersByTime(1)
    expect(enforced('user:1').definition).toEqual(small)
  })

  it('switch within a second after the clock was set forward past the end', () => {
    inForce.set('user:1', 1, endsIn(DAY_MS))
    shiftMs = DAY_MS
    jest.advanceTimersByTime(1_000)
    expect(enforced('user:1').definition).toEqual(small)
  })

  it('begin with what follows if a policy has ended before it is read', () => {
    inForce.set('user:1', 1, endsIn(-1))
    inForce.set('user:2', 1, endsIn(-1, null))
    expect(enforced('user:1').definition).toEqual(small)
    expect(table.size).toBe(1)
    expect(jest.getTimerCount()).toBe(0)
  })

  it('obey each of many ends in its order, whichever was read first', () => {
    for (const [i, ms] of [3_000, 1_000, 2_000].entries()) inForce.set(`user:${i}`, 1, endsIn(ms))
    const ended = () => [0, 1, 2].filter(i => enforced(`user:${i}`).definition.limits[0]?.capacity === 10)
    jest.advanceTimersByTime(1_000)
    expect(ended()).toEqual([1])
    jest.advanceTimersByTime(1_000)
    expect(ended()).toEqual([1, 2])
    jest.advanceTimersByTime(1_000)
    expect(ended()).toEqual([0, 1, 2])
    expect(jest.getTimerCount()).toBe(0)
  })

  it('switch more policies at one moment than one turn of the event loop should', () => {
    for (let i = 0; i < 25_000; i++) inForce.set(`user:${i}`, 1, endsIn(1_000, null))
    jest.advanceTimersByTime(1_010)
    expect(table.size).toBe(0)
  })

  it('forget the end of a policy that was replaced or deleted', () => {
    for (const key of ['user:1', 'user:2']) inForce.set(key, 1, endsIn(1_000))
    inForce.set('user:1', 2, large)
    inForce.delete('user:2')
    jest.advanceTimersByTime(2_000)
    expect(enforced('user:1')).toEqual({ version: 2, definition: large })
    expect(inForce.get('user:2')).toBeUndefined()
  })

  it('need no timer while no policy is temporary', () => {
    inForce.set('user:1', 1, large)
    expect(jest.getTimerCount()).toBe(0)
  })

  it('give the table an equal definition for all that have ended alike', () => {
    inForce.set('user:1', 1, endsIn(1_000))
    inForce.set('user:2', 1, { ...endsIn(2_000), then: null })
    expect(table.get('user:1')?.definition).toBe(table.get('user:2')?.definition)
    expect(table.get('user:1')?.definition).not.toHaveProperty('expiresAt')
  })
})
