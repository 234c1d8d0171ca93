import { expect, it } from '@jest/globals'
import fc from 'fast-check'
import { setBounded } from '../../../src/lib/set-bounded.ts'

const MAX = 150
/** A hundredth, rounded up. */
const EVICTED = 2

const KEYS = fc.nat(2 * MAX)
const STEPS = fc.array(
  fc.oneof(
    { weight: 8, arbitrary: KEYS.map(key => ({ key, isSet: true })) },
    { weight: 1, arbitrary: KEYS.map(key => ({ key, isSet: false })) },
  ),
  { minLength: 2 * MAX, maxLength: 4 * MAX },
)

/** The same in a list of entries, the oldest first. */
function setInList(list: readonly [number, number][], key: number, value: number): [number, number][] {
  const all: [number, number][] = [...list.filter(([other]) => other !== key), [key, value]]
  return all.length > MAX ? all.slice(EVICTED) : all
}

it('has the newest entries, in order, whatever was set and deleted', () => {
  fc.assert(
    fc.property(STEPS, steps => {
      const map = new Map<number, number>()
      let expected: [number, number][] = []
      for (const [i, { key, isSet }] of steps.entries()) {
        if (isSet) setBounded(map, key, i, MAX)
        else map.delete(key)
        expected = isSet ? setInList(expected, key, i) : expected.filter(([other]) => other !== key)
      }
      expect([...map]).toEqual(expected)
    }),
    { numRuns: 50, endOnFailure: true },
  )
})

it('keeps one entry where one is allowed', () => {
  const map = new Map<string, number>()
  for (const key of ['a', 'b', 'b']) setBounded(map, key, 1, 1)
  expect([...map]).toEqual([['b', 1]])
})
