import { beforeEach, expect, it } from '@jest/globals'
import { WeighedQueue } from '../../../src/lib/weighed-queue.ts'

interface Item {
  readonly name: string
  readonly cost: number
}

let queue: WeighedQueue<Item>
beforeEach(() => {
  queue = new WeighedQueue({ costOf: ({ cost }) => cost, sizeOf: () => 1, tolerance: 10 })
})

function add(client: string, cost: number, count: number): Item[] {
  const items = Array.from({ length: count }, (_, i) => ({ name: `${client}${i + 1}`, cost }))
  for (const item of items) queue.add(client, item)
  return items
}

const namesOf = (items: Iterable<Item>) => Array.from(items, ({ name }) => name).join(' ')

it('items are taken so that clients have equal shares of the cost', () => {
  add('a', 30, 2)
  add('b', 10, 4)
  expect(namesOf(queue.takeAll())).toBe('a1 b1 b2 b3 a2 b4')
  expect([queue.size, queue.take()]).toEqual([0, undefined])
})

it('nobody has used anything once nobody waits', () => {
  add('a', 1_000, 1)
  expect(namesOf(queue.takeAll())).toBe('a1')
  add('a', 1, 1)
  add('b', 1, 1)
  expect(namesOf(queue.takeAll())).toBe('a1 b1')
})

it('the newest item of the client that has the most can be dropped', () => {
  const [first] = add('a', 1, 3)
  add('b', 1_000, 2)
  expect(queue.dropFromLargest()?.name).toBe('a3')
  queue.delete('a', first as Item)
  expect(namesOf(queue.takeAll())).toBe('a2 b1 b2')
})
