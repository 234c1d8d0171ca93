import { expect, it } from '@jest/globals'
import fc from 'fast-check'
import { FewItems } from '../../../src/lib/few-items.ts'

it('has the items of a set, whatever was added and deleted', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(5))), steps => {
      const items = new FewItems<number>()
      const expected = new Set<number>()
      for (const [isAdded, item] of steps) {
        if (!isAdded) expect(items.delete(item)).toBe(expected.delete(item))
        else if (!expected.has(item)) {
          items.add(item)
          expected.add(item)
        }
        expect(items.size).toBe(expected.size)
        expect(new Set(items)).toEqual(expected)
        expect(items.findLast(held => held === item)).toBe(expected.has(item) ? item : undefined)
      }
    }),
  )
})

it('gives every item, though each is deleted as it is given', () => {
  const items = new FewItems<number>()
  for (const item of [1, 2, 3]) items.add(item)
  const given: number[] = []
  for (const item of items) {
    given.push(item)
    items.delete(item)
  }
  expect([given, items.size]).toEqual([[1, 2, 3], 0])
})
