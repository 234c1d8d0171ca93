import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals'
import { checkQueue } from '../../../src/check/check-queue.ts'
import type { CheckQueue } from '../../../src/check/pending-check.ts'
import { eventually } from '../../support/eventually.ts'
import { HeldStore } from '../../support/held-store.ts'
import { pauseProcess } from '../../support/pause-process.ts'
import { pendingCheck } from '../../support/pending-checks.ts'
import { policyOf } from '../../support/policies.ts'

const policy = policyOf('*')
const TIMEOUT_MS = 60
/** What no test replaces by a clock of its own. */
const REAL = ['setImmediate', 'nextTick', 'queueMicrotask'] as const

let store: HeldStore
let batcher: CheckQueue
let answered: [key: string, spent: number | undefined][]
/** How long each check waited, in ms, by its key. */
let waitedMs: Map<string, number>
let onAnswer: () => void
// However slow this machine is, no check times out, and none that gathers is sent, until the test says that the time has passed.
beforeEach(() => {
  jest.useFakeTimers({ doNotFake: [...REAL, 'performance', 'Date'] })
  givenBatcher()
})
afterEach(() => void jest.useRealTimers())

function givenBatcher(): void {
  store = new HeldStore()
  waitedMs = new Map()
  onAnswer = () => undefined
  // The batcher of an earlier test may time out checks later; they must not count as answers of this test.
  const own: typeof answered = []
  answered = own
  batcher = checkQueue(store, TIMEOUT_MS, ({ key, startMs }, reading) => {
    own.push([key, reading?.spent[0]])
    waitedMs.set(key, performance.now() - startMs)
    onAnswer()
  })
}

function ask(key: string, tokens = 1, isOfMany = false): void {
  batcher.enqueue(pendingCheck({ key, policy, tokens, isOfMany }))
}

const keysOfCalls = () => store.calls.map(({ keys }) => keys)

describe('the batcher', () => {
  it('gives up on a check at its own deadline, also if that passes before those of earlier checks', async () => {
    jest.useFakeTimers({ doNotFake: [...REAL] })
    ask('patient')
    batcher.enqueue(pendingCheck({ key: 'hasty', policy, deadlineMs: performance.now() + TIMEOUT_MS / 2 }))
    await nextTurn()
    jest.advanceTimersByTime(TIMEOUT_MS / 2)
    await nextTurn()
    expect([answered, waitedMs.get('hasty')]).toEqual([[['hasty', undefined]], TIMEOUT_MS / 2])
    store.calls[0]?.answer()
    await nextTurn()
    expect(answered).toEqual([
      ['hasty', undefined],
      ['patient', 1],
    ])
  })

  it('sends all checks of one turn of the event loop in one call, in order', async () => {
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

  it('lets checks that arrive while a call is in flight share the next one, which follows its reply', async () => {
    for (const key of ['a', 'b', 'c']) {
      ask(key)
      await nextTurn()
    }
    expect(keysOfCalls()).toEqual([['a']])
    store.calls[0]?.answer()
    await nextTurn()
    await nextTurn()
    expect(keysOfCalls()).toEqual([['a'], ['b', 'c']])
  })

  it('has a second call in flight once 16 checks wait, and never a third', async () => {
    const [a, b] = [Array.from({ length: 16 }, (_, i) => `a${i}`), Array.from({ length: 40 }, (_, i) => `b${i}`)]
    ask('first')
    await nextTurn()
    for (const key of a.slice(0, 15)) ask(key)
    await nextTurn()
    expect(keysOfCalls()).toEqual([['first']])
    ask(a[15] ?? '')
    await nextTurn()
    expect(keysOfCalls()).toEqual([['first'], a])
    for (const key of b) ask(key)
    await nextTurn()
    expect(keysOfCalls()).toEqual([['first'], a])
    store.calls[1]?.answer()
    await nextTurn()
    await nextTurn()
    expect(keysOfCalls()).toEqual([['first'], a, b])
  })

  describe('of a busy process', () => {
    const MANY = 200
    const GAP_MS = 0.09
    let nowMs: number
    /** A check that arrives shortly after the one before. */
    const askSoon = (key: string) => {
      nowMs += GAP_MS
      batcher.enqueue(pendingCheck({ key, policy, startMs: nowMs }))
    }
    beforeEach(async () => {
      nowMs = performance.now() - MANY * GAP_MS
      for (let i = 0; i < MANY; i++) askSoon('many')
      await nextTurn()
      store.calls[0]?.answer()
      await nextTurn()
    })

    it('lets checks gather for a call', async () => {
      for (const key of ['a', 'b', 'c']) askSoon(key)
      await nextTurn()
      expect(store.calls).toHaveLength(1)
      askSoon('d')
      await nextTurn()
      expect(keysOfCalls()[1]).toEqual(['a', 'b', 'c', 'd'])
    })

    it('forgets no check that arrives at the end of a pause', async () => {
      askSoon('in vain')
      jest.advanceTimersByTime(1)
      store.calls[1]?.answer()
      await nextTurn()
      const pausedUntilMs = performance.now() + 10
      nowMs = pausedUntilMs - 60 * GAP_MS
      for (let i = 0; nowMs < pausedUntilMs - 2 * GAP_MS; i++) askSoon(`paused ${i}`)
      await nextTurn()
      for (const call of store.calls.slice(2)) call.answer()
      await nextTurn()
      const before = store.calls.length

      // The first is due at once. Before it is sent, the second one arrives, after the pause.
      batcher.enqueue(pendingCheck({ key: 'first', policy, startMs: pausedUntilMs - 1 }))
      batcher.enqueue(pendingCheck({ key: 'second', policy, startMs: pausedUntilMs + 10 * GAP_MS }))
      await nextTurn()
      jest.advanceTimersByTime(1)
      await nextTurn()
      expect(keysOfCalls().slice(before).flat()).toEqual(['first', 'second'])
    })

    it('sends checks that gathered in vain, and then each at once', async () => {
      askSoon('a')
      jest.advanceTimersByTime(1)
      store.calls[1]?.answer()
      await nextTurn()
      askSoon('b')
      await nextTurn()
      expect(keysOfCalls().slice(1)).toEqual([['a'], ['b']])
    })
  })

  it('lets checks of many and other checks take turns, each kind in order', async () => {
    const many = Array.from({ length: 1_000 }, (_, i) => `many ${i}`)
    for (const key of many) ask(key, 1, true)
    ask('a')
    await nextTurn()
    for (const key of ['b', 'c']) ask(key)
    for (let i = 0; store.calls.length > i; i++) {
      store.calls[i]?.answer()
      await nextTurn()
      await nextTurn()
    }
    const calls = keysOfCalls()
    expect(calls.map(keys => keys[0])).toEqual(['a', 'many 0', 'b', 'many 256', 'many 512', 'many 768'])
    expect(calls[2]).toEqual(['b', 'c'])
    expect(calls.flat().filter(key => key.startsWith('many'))).toEqual(many)
    expect(batcher.waiting).toBe(0)
  })

  it('gives up on checks of both kinds that have waited too long', async () => {
    jest.useRealTimers()
    ask('a')
    ask('b', 1, true)
    await nextTurn()
    ask('c')
    ask('d', 1, true)
    await eventually(() => expect(answered).toHaveLength(4))
    expect(new Map(answered)).toEqual(new Map(['a', 'b', 'c', 'd'].map(key => [key, undefined])))
    expect(batcher.waiting).toBe(0)
  })

  describe('whose checks have waited too long and take a millisecond each to decide', () => {
    const ANSWER_MS = 1
    beforeEach(() => {
      jest.useFakeTimers({ doNotFake: [...REAL] })
      onAnswer = () => jest.advanceTimersByTime(ANSWER_MS)
    })
    const timeOut = () => jest.advanceTimersByTime(TIMEOUT_MS)

    it('decides few of them in each turn of the event loop, and lets both kinds take turns', async () => {
      const many = Array.from({ length: 100 }, (_, i) => `many ${i}`)
      for (const key of many) ask(key, 1, true)
      ask('a')
      timeOut()
      const turns: string[][] = []
      while (answered.length < 101) {
        const before = answered.length
        await nextTurn()
        turns.push(answered.slice(before).map(([key]) => key))
      }
      expect(turns.flat()).toEqual(['a', ...many])
      expect(Math.max(...turns.map(keys => keys.length))).toBeLessThanOrEqual(1 + 16)
    })

    it('counts those that are not decided yet as waiting, and answers none of them twice', async () => {
      const keys = Array.from({ length: 100 }, (_, i) => String(i))
      for (const key of keys) ask(key)
      await nextTurn()
      timeOut()
      await nextTurn()
      expect([answered.length, batcher.waiting]).toEqual([16, 84])
      for (const { answer } of store.calls) answer()
      while (batcher.waiting > 0) await nextTurn()
      expect(answered).toEqual(keys.map(key => [key, undefined]))
    })
  })

  it('sends at most 256 checks in a call', async () => {
    for (let i = 0; i < 600; i++) ask(String(i))
    await nextTurn()
    expect(keysOfCalls().map(keys => keys.length)).toEqual([256, 256])
    for (const { answer } of store.calls) answer()
    await nextTurn()
    await nextTurn()
    expect(keysOfCalls().map(keys => keys.length)).toEqual([256, 256, 88])
  })

  it('fails only the checks of a failed call', async () => {
    ask('a')
    await nextTurn()
    ask('b')
    store.calls[0]?.fail()
    await nextTurn()
    await nextTurn()
    store.calls[1]?.answer()
    await nextTurn()
    expect(answered).toEqual([
      ['a', undefined],
      ['b', 1],
    ])
  })

  it('times out no check before its deadline, whether it was sent or waits for a call', async () => {
    jest.useRealTimers()
    for (const key of ['sent', 'waiting']) {
      ask(key)
      await nextTurn()
    }
    await sleep(TIMEOUT_MS / 2)
    ask('late')
    await eventually(() => expect(answered).toHaveLength(3))
    for (const ms of waitedMs.values()) expect(ms).toBeGreaterThan(TIMEOUT_MS - 1)
    expect(answered).toEqual(['sent', 'waiting', 'late'].map(key => [key, undefined]))
    expect(keysOfCalls()).toEqual([['sent']])
  })

  it('answers a check once, also if the store answers after the check has timed out', async () => {
    jest.useRealTimers()
    ask('a')
    await eventually(() => expect(answered).toEqual([['a', undefined]]))
    store.calls[0]?.answer()
    await nextTurn()
    expect(answered).toHaveLength(1)
  })

  it('does not send a check that has timed out', async () => {
    jest.useRealTimers()
    for (const key of ['a', 'b', 'c']) {
      ask(key)
      await nextTurn()
    }
    await eventually(() => expect(answered).toHaveLength(3))
    expect(batcher.waiting).toBe(0)
    for (const { fail } of store.calls) fail()
    await nextTurn()
    expect(keysOfCalls()).toEqual([['a']])
  })

  it('does not time out a check because its own process was busy', async () => {
    jest.useRealTimers()
    ask('a')
    pauseProcess(2 * TIMEOUT_MS)
    await nextTurn()
    store.calls[0]?.answer()
    await nextTurn()
    expect(answered).toEqual([['a', 1]])
  })

  it('reports how many checks wait for a call', async () => {
    for (let i = 0; i < 4; i++) ask(String(i))
    expect(batcher.waiting).toBe(4)
    await nextTurn()
    expect(batcher.waiting).toBe(0)
  })
})
