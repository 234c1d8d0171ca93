import { setImmediate as nextTurn } from 'node:timers/promises'
import { beforeEach, describe, expect, it } from '@jest/globals'
import { CheckBatcher } from '../../../src/check/batcher.ts'
import type { BucketCheck, BucketStore } from '../../../src/check/ports.ts'
import type { BucketReading } from '../../../src/domain/token-bucket.ts'
import { policyOf } from '../../support/policies.ts'

const policy = policyOf('*')

/** A store that answers when it is told to. */
class HeldStore implements BucketStore {
  readonly calls: { keys: string[]; answer(): void; fail(): void }[] = []

  check(checks: readonly BucketCheck[]): Promise<readonly BucketReading[]> {
    return new Promise((resolve, reject) => {
      this.calls.push({
        keys: checks.map(({ key }) => key),
        answer: () => resolve(checks.map(({ tokens }) => ({ allowed: true, spent: [tokens], pauseMs: 0 }))),
        fail: () => reject(new Error('away')),
      })
    })
  }

  async reset(): Promise<void> {}
}

let store: HeldStore
let batcher: CheckBatcher<BucketCheck>
let answered: [key: string, spent: number | undefined][]
beforeEach(() => {
  store = new HeldStore()
  answered = []
  batcher = new CheckBatcher(store, ({ key }, reading) => answered.push([key, reading?.spent[0]]))
})

function ask(key: string, tokens = 1): void {
  batcher.enqueue({ key, policy, tokens })
}

const keysOfCalls = () => store.calls.map(({ keys }) => keys)

describe('the batcher', () => {
  it('makes one call of all checks of a turn, in order', async () => {
    for (const [i, key] of ['a', 'b', 'a'].entries()) ask(key, i)
    expect(store.calls).toEqual([])
    await nextTurn()
    expect(keysOfCalls()).toEqual([['a', 'b', 'a']])
    store.calls[0]?.answer()
    await nextTurn()
    expect(answered).toEqual([
      ['a', 0],
      ['b', 1],
      ['a', 2],
    ])
  })

  it('has at most two calls under way; what comes meanwhile is the next', async () => {
    for (const key of ['a', 'b', 'c', 'd']) {
      ask(key)
      await nextTurn()
    }
    expect(keysOfCalls()).toEqual([['a'], ['b']])
    store.calls[1]?.answer()
    await nextTurn()
    await nextTurn()
    expect(keysOfCalls()).toEqual([['a'], ['b'], ['c', 'd']])
  })

  it('asks for at most 256 at once', async () => {
    for (let i = 0; i < 600; i++) ask(String(i))
    await nextTurn()
    expect(keysOfCalls().map(keys => keys.length)).toEqual([256, 256])
    for (const { answer } of store.calls) answer()
    await nextTurn()
    await nextTurn()
    expect(keysOfCalls().map(keys => keys.length)).toEqual([256, 256, 88])
  })

  it('lets one failed call fail only its checks', async () => {
    ask('a')
    await nextTurn()
    ask('b')
    await nextTurn()
    store.calls[0]?.fail()
    store.calls[1]?.answer()
    await nextTurn()
    expect(answered).toEqual([
      ['a', undefined],
      ['b', 1],
    ])
  })

  it('says how many wait for a call', async () => {
    for (let i = 0; i < 4; i++) ask(String(i))
    expect(batcher.waiting).toBe(4)
    await nextTurn()
    expect(batcher.waiting).toBe(0)
  })
})
