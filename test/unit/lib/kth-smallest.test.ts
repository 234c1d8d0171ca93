import { expect, it } from '@jest/globals'
import fc from 'fast-check'
import { kthSmallest } from '../../../src/lib/kth-smallest.ts'

it('finds the k-th smallest of the first values', () => {
  const values = fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 1, maxLength: 100 })
  fc.assert(
    fc.property(values, fc.nat(), fc.nat(), (values, a, b) => {
      const size = 1 + (a % values.length)
      const k = b % size
      const expected = values.slice(0, size).toSorted((x, y) => x - y)[k]
      expect(kthSmallest(new Float64Array(values), size, k)).toBe(expected)
    }),
  )
})
