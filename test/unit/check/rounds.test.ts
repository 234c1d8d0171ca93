import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals'
import { type Round, Rounds } from '../../../src/check/rounds.ts'

/** Items of a call that waits for others. */
const FEW = 5

let rounds: Rounds
beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'performance'] })
  rounds = new Rounds()
})
afterEach(() => {
  jest.useRealTimers()
})

/** So many checks arrive, one every `gapMs`. */
function arrive(gapMs: number): void {
  for (let i = 1; i <= 200; i++) rounds.arrived(1_000 + i * gapMs)
}

/** A call of another shard is in flight in a busy process. */
function givenACall(items = FEW): Round {
  arrive(0.05)
  return rounds.called(items)
}

describe('a call of a busy process', () => {
  it('waits for the replies of all shards, and the turn of the event loop in which the last one comes', async () => {
    const round = givenACall()
    rounds.called(FEW)
    const begin = jest.fn()
    expect(rounds.delays(FEW, begin)).toBe(true)
    rounds.answered(round)
    rounds.answered(round)
    expect(begin).not.toHaveBeenCalled()
    await nextTurn()
    expect(begin).toHaveBeenCalledTimes(1)
  })

  it('also waits if it comes in that turn', async () => {
    rounds.answered(givenACall())
    const begin = jest.fn()
    expect(rounds.delays(FEW, begin)).toBe(true)
    await nextTurn()
    expect(begin).toHaveBeenCalledTimes(1)
    expect(rounds.delays(FEW, begin)).toBe(false)
  })

  it('goes out with those of other shards', async () => {
    const round = givenACall()
    const begun: string[] = []
    expect(rounds.delays(FEW, () => begun.push('a'))).toBe(true)
    expect(rounds.delays(FEW, () => begun.push('b'))).toBe(true)
    rounds.answered(round)
    await nextTurn()
    expect(begun).toEqual(['a', 'b'])
  })

  it('waits once, however often it is asked', async () => {
    const round = givenACall()
    const begin = jest.fn()
    for (let i = 0; i < 3; i++) expect(rounds.delays(FEW, begin)).toBe(true)
    rounds.answered(round)
    await nextTurn()
    expect(begin).toHaveBeenCalledTimes(1)
  })
})

describe('after a round of many items', () => {
  const MANY = 60

  it('the next one begins once most of them have come again', async () => {
    const begin = jest.fn()
    const round = givenACall(MANY)
    rounds.answered(round)
    expect(rounds.delays(FEW, begin)).toBe(true)
    for (let i = 0; i < MANY * 0.8 - 1; i++) rounds.arrived(2_000)
    await nextTurn()
    expect(begin).not.toHaveBeenCalled()
    rounds.arrived(2_000)
    await nextTurn()
    expect(begin).toHaveBeenCalledTimes(1)
  })

  it('the next one also waits for them if others came before the last reply', async () => {
    const begin = jest.fn()
    const round = givenACall(MANY)
    for (let i = 0; i < MANY; i++) rounds.arrived(2_000)
    expect(rounds.delays(FEW, begin)).toBe(true)
    rounds.answered(round)
    await nextTurn()
    expect(begin).not.toHaveBeenCalled()
    for (let i = 0; i < MANY * 0.8; i++) rounds.arrived(2_000)
    await nextTurn()
    expect(begin).toHaveBeenCalledTimes(1)
  })

  it('the next one waits no longer for those who do not ask again', async () => {
    const begin = jest.fn()
    rounds.answered(givenACall(MANY))
    expect(rounds.delays(FEW, begin)).toBe(true)
    await nextTurn()
    expect(begin).not.toHaveBeenCalled()
    jest.advanceTimersByTime(1)
    expect(begin).not.toHaveBeenCalled()
    jest.advanceTimersByTime(1)
    expect(begin).toHaveBeenCalledTimes(1)
  })
})

describe('a shard that does not answer', () => {
  it('delays the calls of others once, but not their next round', async () => {
    const late = givenACall()
    const begin = jest.fn()
    expect(rounds.delays(FEW, begin)).toBe(true)
    jest.advanceTimersByTime(5)
    expect(begin).toHaveBeenCalledTimes(1)
    const next = rounds.called(FEW)
    expect(rounds.delays(FEW, begin)).toBe(true)
    rounds.answered(late)
    await nextTurn()
    expect(begin).toHaveBeenCalledTimes(1)
    rounds.answered(next)
    await nextTurn()
    expect(begin).toHaveBeenCalledTimes(2)
  })
})

describe('a call waits for no others', () => {
  it('if none is in flight', () => {
    arrive(0.05)
    expect(rounds.delays(FEW, () => undefined)).toBe(false)
  })

  it('in a process that is not busy', () => {
    arrive(0.5)
    rounds.called(FEW)
    expect(rounds.delays(FEW, () => undefined)).toBe(false)
  })

  it('if it has many items', () => {
    givenACall()
    expect(rounds.delays(32, () => undefined)).toBe(false)
  })
})
