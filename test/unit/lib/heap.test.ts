import { expect, it } from '@jest/globals'
import fc from 'fast-check'
import { Heap, type HeapItem } from '../../../src/lib/heap.ts'

interface Ranked extends HeapItem {
  readonly rank: number
}

it('the first item of a heap is the least one, whatever was added and removed', () => {
  const step = fc.record({ rank: fc.nat(20), removed: fc.option(fc.nat(), { nil: undefined }) })
  fc.assert(
    fc.property(fc.array(step), steps => {
      const heap = new Heap<Ranked>((a, b) => a.rank < b.rank)
      const held: Ranked[] = []
      for (const { rank, removed } of steps) {
        if (removed === undefined || held.length === 0) {
          const item = { rank, heapIndex: 0 }
          held.push(item)
          heap.add(item)
        } else {
          for (const item of held.splice(removed % held.length, 1)) heap.remove(item)
        }
        const least = held.length === 0 ? undefined : Math.min(...held.map(item => item.rank))
        expect(heap.first?.rank).toBe(least)
      }
    }),
  )
})
