import { describe, expect, it } from '@jest/globals'
import {
  type Decision,
  decideBesideBlocked,
  decideByBucket,
  decideByMode,
  decideByOutage,
} from '../../../src/domain/decision.ts'
import { decideTogether } from '../../../src/domain/group-decision.ts'
import { hashTagOf } from '../../../src/domain/partition.ts'
import { definitionOf, limitOf, policyOf } from '../../support/policies.ts'

/** A decision by a bucket of 10 tokens that refills one a second. */
const spent = (key: string, tokens: number, capacity = 10): Decision => {
  const policy = policyOf(key, { limits: [limitOf({ capacity })] })
  return decideByBucket(
    { key, policy, tokens: 1 },
    { allowed: tokens < capacity, spent: [tokens * 1000], refillPausedMs: 0 },
    'redis',
  )
}
const by = (mode: 'off' | 'block', key: string, limits = definitionOf().limits) =>
  decideByMode({ key, policy: policyOf(key, { mode, limits }), tokens: 1 }) as Decision
const inOutage = (key: string) => decideByOutage({ key, policy: policyOf(key), tokens: 1 })
const bindingOf = (...results: Decision[]) => decideTogether(results).binding.key

describe('checks that are decided together', () => {
  it('are allowed if each is allowed', () => {
    expect(decideTogether([spent('a', 1), spent('b', 2)]).allowed).toBe(true)
    expect(decideTogether([spent('a', 1), spent('b', 10)]).allowed).toBe(false)
  })

  it('show the check with the smallest part left, and the first of several', () => {
    expect(bindingOf(spent('a', 1), spent('b', 3), spent('c', 2))).toBe('b')
    expect(bindingOf(spent('a', 50, 100), spent('b', 5), spent('c', 5))).toBe('a')
  })

  it('show a check without known values only if there is no other', () => {
    expect(bindingOf(inOutage('a'), spent('b', 0))).toBe('b')
    expect(bindingOf(by('off', 'a', []), spent('b', 0))).toBe('b')
    expect(bindingOf(inOutage('a'), inOutage('b'))).toBe('a')
  })

  it('show the check that denies for longest if they are denied, whatever else is exhausted', () => {
    expect(bindingOf(spent('a', 9), spent('b', 10), spent('c', 12), spent('d', 12))).toBe('c')
  })

  it('show a blocked check before any other', () => {
    expect(bindingOf(spent('a', 30), by('block', 'b'), by('block', 'c'))).toBe('b')
  })

  it('that were not asked since another one is blocked deny nothing, and have no values', () => {
    const besides = decideBesideBlocked({ key: 'a', policy: policyOf('a'), tokens: 1 })
    expect(besides).toMatchObject({
      allowed: true,
      remaining: null,
      retryAfterMs: null,
      resetAfterMs: null,
      source: 'policy',
    })
    expect(bindingOf(besides, by('block', 'b'))).toBe('b')
  })
})

describe('the text that decides where a bucket is stored', () => {
  it.each([
    ['user:42', 'user:42'],
    ['{org:7}:user:42', 'org:7'],
    ['{org:7}', 'org:7'],
    ['a{b}c{d}', 'b'],
    ['{}{a}', '{}{a}'],
    ['{a', '{a'],
    ['a}{b', 'a}{b'],
    ['{{a}}', '{a'],
  ])('of %s is %s', (key, text) => {
    expect(hashTagOf(key)).toBe(text)
  })
})
