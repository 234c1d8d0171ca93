import { setImmediate as nextTurn } from 'node:timers/promises'
import { beforeEach, describe, expect, it, jest } from '@jest/globals'
import { Rounds } from '../../../src/check/rounds.ts'
import { eventually } from '../../support/eventually.ts'

/** Items of a call that waits for others. */
const FEW = 5

let rounds: Rounds
beforeEach(() => {
  rounds = new Rounds()
})

/** So many checks arrive, one every `gapMs`. */
function arrive(gapMs: number): void {
  for (let i = 1; i <= 200; i++) rounds.arrived(1_000 + i * gapMs)
}

/** A call of another shard is in flight in a busy process. */
function givenACall(): void {
  arrive(0.05)
  rounds.called()
}

describe('a call of a busy process', () => {
  it('waits for the replies of all shards, and the turn of the event loop in which the last one comes', async () => {
    givenACall()
    rounds.called()
    const begin = jest.fn()
    expect(rounds.delays(FEW, begin)).toBe(true)
    rounds.answered()
    rounds.answered()
    expect(begin).not.toHaveBeenCalled()
    await nextTurn()
    expect(begin).toHaveBeenCalledTimes(1)
  })

  it('also waits if it comes in that turn', async () => {
    givenACall()
    rounds.answered()
    const begin = jest.fn()
    expect(rounds.delays(FEW, begin)).toBe(true)
    await nextTurn()
    expect(begin).toHaveBeenCalledTimes(1)
    expect(rounds.delays(FEW, begin)).toBe(false)
  })

  it('goes out with those of other shards', async () => {
    givenACall()
    const begun: string[] = []
    expect(rounds.delays(FEW, () => begun.push('a'))).toBe(true)
    expect(rounds.delays(FEW, () => begun.push('b'))).toBe(true)
    rounds.answered()
    await nextTurn()
    expect(begun).toEqual(['a', 'b'])
  })

  it('waits once, however often it is asked', async () => {
    givenACall()
    const begin = jest.fn()
    for (let i = 0; i < 3; i++) expect(rounds.delays(FEW, begin)).toBe(true)
    rounds.answered()
    await nextTurn()
    expect(begin).toHaveBeenCalledTimes(1)
  })

  it('does not wait for a shard that does not answer', async () => {
    givenACall()
    const begin = jest.fn()
    expect(rounds.delays(FEW, begin)).toBe(true)
    await eventually(() => expect(begin).toHaveBeenCalledTimes(1))
  })
})

describe('a call waits for no others', () => {
  it('if none is in flight', () => {
    arrive(0.05)
    expect(rounds.delays(FEW, () => undefined)).toBe(false)
  })

  it('in a process that is not busy', () => {
    arrive(0.5)
    rounds.called()
    expect(rounds.delays(FEW, () => undefined)).toBe(false)
  })

  it('if it has many items', () => {
    givenACall()
    expect(rounds.delays(32, () => undefined)).toBe(false)
  })
})
