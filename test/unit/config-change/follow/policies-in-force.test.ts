import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals'
import fc from 'fast-check'
import { PoliciesInForce } from '../../../../src/config-change/follow/policies-in-force.ts'
import { PolicyTable } from '../../../../src/domain/policy-table.ts'
import { enforcedAt, type StoredPolicy } from '../../../../src/domain/temporary-policy.ts'
import { definitionOf, limitOf, policyOf } from '../../../support/policies.ts'
import { runs } from '../../../support/property-runs.ts'

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

  it('switch in time what was set after the clock was set forward', () => {
    inForce.set('user:1', 1, endsIn(DAY_MS))
    shiftMs = 3_600_000
    inForce.set('user:2', 1, endsIn(3_600_100))
    jest.advanceTimersByTime(100)
    expect([enforced('user:1').definition, enforced('user:2').definition]).toEqual([large, small])
  })

  it('switch back within half a second after a clock that was ahead is right again', () => {
    inForce.set('user:1', 1, endsIn(DAY_MS))
    inForce.set('user:2', 1, endsIn(DAY_MS, null))
    shiftMs = DAY_MS
    jest.advanceTimersByTime(500)
    expect([enforced('user:1').definition, table.size]).toEqual([small, 1])
    shiftMs = 0
    jest.advanceTimersByTime(500)
    expect([enforced('user:1'), enforced('user:2')]).toEqual(Array(2).fill({ version: 1, definition: large }))
  })

  it('begin with what follows if a policy has ended before it is read, also by a clock that is ahead', () => {
    inForce.set('user:1', 1, endsIn(-1))
    shiftMs = DAY_MS
    inForce.set('user:2', 1, endsIn(DAY_MS, null))
    expect([enforced('user:1').definition, table.size]).toEqual([small, 1])
    shiftMs = 0
    jest.advanceTimersByTime(500)
    expect([enforced('user:1').definition, enforced('user:2').definition]).toEqual([small, large])
  })

  it('remember a policy that has ended only until its end is recorded', () => {
    inForce.set('user:1', 1, endsIn(1_000))
    inForce.set('user:2', 1, endsIn(1_000, null))
    jest.advanceTimersByTime(1_000)
    expect([inForce.get('user:2')?.version, [...inForce.configKeys()].toSorted()]).toEqual([1, ['user:1', 'user:2']])
    inForce.set('user:1', 2, small)
    inForce.delete('user:2')
    shiftMs = -DAY_MS
    jest.advanceTimersByTime(500)
    expect([enforced('user:1'), table.size]).toEqual([{ version: 2, definition: small }, 1])
    expect([...inForce.configKeys()]).toEqual(['user:1'])
    expect(jest.getTimerCount()).toBe(0)
  })

  it('are a function of the clock, however it is set and whatever changes', () => {
    const step = fc.oneof(
      fc.record({ key: fc.nat(5), endsInMs: fc.integer({ min: -3_000, max: 3_000 }), hasThen: fc.boolean() }),
      fc.record({ deleted: fc.nat(5) }),
      fc.record({ shiftByMs: fc.integer({ min: -3_000, max: 3_000 }) }),
      fc.record({ passMs: fc.integer({ min: 0, max: 2_000 }) }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), steps => {
        jest.setSystemTime(START_MS)
        shiftMs = 0
        const stored = new Map<string, StoredPolicy>()
        for (const one of steps) {
          if ('key' in one) {
            const [key, policy] = [`user:${one.key}`, endsIn(one.endsInMs, one.hasThen ? small : null)]
            stored.set(key, policy)
            inForce.set(key, 1, policy)
          } else if ('deleted' in one) {
            stored.delete(`user:${one.deleted}`)
            inForce.delete(`user:${one.deleted}`)
          } else if ('shiftByMs' in one) {
            shiftMs += one.shiftByMs
            jest.advanceTimersByTime(500)
          } else {
            jest.advanceTimersByTime(one.passMs)
          }
          const nowMs = Date.now() + shiftMs
          for (const key of [0, 1, 2, 3, 4, 5].map(n => `user:${n}`)) {
            const policy = stored.get(key)
            expect(table.get(key)?.definition ?? null).toEqual(policy === undefined ? null : enforcedAt(policy, nowMs))
          }
          expect([...inForce.configKeys()].toSorted()).toEqual([...stored.keys()].toSorted())
        }
        for (const key of stored.keys()) inForce.delete(key)
      }),
      runs(200, 20_000),
    )
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
