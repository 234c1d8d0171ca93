import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals'
import type { CircuitBreakerStore } from '../../../src/check/circuit-breaker-store.ts'
import { ShardedQueue } from '../../../src/check/sharded-queue.ts'
import type { ShardedStore } from '../../../src/check/sharded-store.ts'
import { eventually } from '../../support/eventually.ts'
import { HeldStore } from '../../support/held-store.ts'
import { pendingCheck } from '../../support/pending-checks.ts'

const PATIENT_MS = 10_000

/** A key's first letter says in which of two shards it is. */
let shards: { readonly a: HeldStore; readonly b: HeldStore }
let queue: ShardedQueue
let answered: string[]
let startMs: number
beforeEach(() => {
  shards = { a: new HeldStore(), b: new HeldStore() }
  const breakers = shards as unknown as Record<string, CircuitBreakerStore>
  const store = { breakers: Object.values(breakers), breakerFor: (key: string) => breakers[key.charAt(0)] }
  answered = []
  startMs = performance.now()
  queue = new ShardedQueue(store as unknown as ShardedStore, PATIENT_MS, ({ key }) => answered.push(key))
})

afterEach(() => void jest.useRealTimers())

/** Checks of these keys arrive, one every `gapMs`. */
function ask(keys: readonly string[], gapMs: number): void {
  for (const key of keys) {
    startMs += gapMs
    queue.enqueue(pendingCheck({ key, startMs }))
  }
}

const keysAt = (shard: HeldStore) => shard.calls.map(({ keys }) => keys)
const keysOf = (shard: string, from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => `${shard}${from + i}`)

describe('the queues of shards', () => {
  it('send each check to its shard, and count all that wait', async () => {
    ask(['a1', 'b1', 'a2'], 1)
    expect(queue.waiting).toBe(3)
    await nextTurn()
    expect([keysAt(shards.a), keysAt(shards.b), queue.waiting]).toEqual([[['a1', 'a2']], [['b1']], 0])
    shards.b.calls[0]?.answer()
    await nextTurn()
    expect(answered).toEqual(['b1'])
  })

  it('of a busy process send their next calls together', async () => {
    // Otherwise they wait for five milliseconds at most.
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'performance', 'nextTick'] })
    ask([...keysOf('a', 1, 100), ...keysOf('b', 1, 100)], 0.05)
    await nextTurn()
    const first = shards.a.calls.length
    ask(['a101'], 0.05)
    for (const call of shards.a.calls) call.answer()
    await nextTurn()
    await nextTurn()
    expect(keysAt(shards.a).slice(first)).toEqual([])
    ask(['b101'], 0.05)
    for (const call of shards.b.calls) call.answer()
    await nextTurn()
    await nextTurn()
    expect(keysAt(shards.a).slice(first)).toEqual([])
    // None of the other callers asks again.
    jest.advanceTimersByTime(2)
    expect(keysAt(shards.a).slice(first)).toEqual([['a101']])
    expect(keysAt(shards.b).slice(first)).toEqual([['b101']])
  })

  it('do not wait for a shard that does not answer', async () => {
    ask([...keysOf('a', 1, 100), ...keysOf('b', 1, 100)], 0.05)
    await nextTurn()
    const first = shards.a.calls.length
    for (const call of shards.a.calls) call.answer()
    ask(['a101'], 0.05)
    await eventually(() => expect(keysAt(shards.a).slice(first)).toEqual([['a101']]))
  })
})
