import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { MergedCounts } from '../../../src/insight/merged-counts.ts'
import type { KeyCount } from '../../../src/insight/ports.ts'

const count = fc.record({
  key: fc.integer({ min: 0, max: 2_000 }).map(n => `user:${n}`),
  policy: fc.constantFrom('*', 'user:*'),
  count: fc.integer({ min: 1, max: 50 }),
})

/** The largest sums, by the definition. */
function expected(periods: readonly (readonly KeyCount[])[], limit: number): readonly KeyCount[] {
  const all = periods.flat()
  const sums = [...new Set(all.map(({ key }) => key))].map(key => {
    const of = all.filter(other => other.key === key)
    return { key, policy: of[0]?.policy ?? '', count: of.reduce((sum, other) => sum + other.count, 0) }
  })
  return sums.sort((a, b) => b.count - a.count || (a.key < b.key ? -1 : 1)).slice(0, limit)
}

describe('the merged counts', () => {
  it('find the largest sums, by key where they are equal', async () => {
    const periods = fc.array(fc.array(count, { maxLength: 700 }), { maxLength: 4 })
    await fc.assert(
      fc.asyncProperty(periods, fc.integer({ min: 1, max: 100 }), async (periods, limit) => {
        const merged = new MergedCounts()
        for (const counts of periods) merged.add(counts)
        expect(await merged.largest(limit, async () => undefined)).toEqual(expected(periods, limit))
      }),
      { numRuns: 50 },
    )
  })

  it('are looked at in parts', async () => {
    const merged = new MergedCounts()
    merged.add(Array.from({ length: 1_200 }, (_, i) => ({ key: `user:${i}`, policy: '*', count: 1 })))
    const parts: number[] = []
    await merged.largest(100, async rows => void parts.push(rows))
    expect(parts).toEqual([500, 500, 200])
  })
})
