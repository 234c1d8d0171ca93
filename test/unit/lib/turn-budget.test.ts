import { beforeEach, describe, expect, it } from '@jest/globals'
import { TurnBudget } from '../../../src/lib/turn-budget.ts'

const turn = () => new Promise(setImmediate)

let budget: TurnBudget
let ran: string[]
beforeEach(() => {
  budget = new TurnBudget({ perTurn: 10 })
  ran = []
})

function add(client: string, name: string, work = 5): () => void {
  const run = () => {
    ran.push(name)
    budget.spend(work)
  }
  return budget.add(client, { run })
}

describe('a budget for a turn of the event loop', () => {
  it('is spent after as much work, and whole again in the next turn', async () => {
    budget.spend(9)
    expect(budget.isSpent).toBe(false)
    budget.spend(1)
    expect(budget.isSpent).toBe(true)
    await turn()
    expect(budget.isSpent).toBe(false)
    budget.spend(9)
    expect(budget.isSpent).toBe(false)
  })

  it('runs in each turn as many of the waiting tasks as it has left for, the clients in turns', async () => {
    for (const name of ['a1', 'a2', 'a3', 'a4']) add('a', name)
    add('b', 'b1')
    expect(ran).toEqual([])
    await turn()
    expect(ran).toEqual(['a1', 'b1'])
    await turn()
    expect(ran).toEqual(['a1', 'b1', 'a2', 'a3'])
    await turn()
    expect(ran).toEqual(['a1', 'b1', 'a2', 'a3', 'a4'])
    expect(budget.isSpent).toBe(false)
  })

  it('runs first the tasks of the clients that have spent the least', async () => {
    for (const name of ['a1', 'a2']) add('a', name, 10)
    for (const name of ['b1', 'b2', 'b3', 'b4', 'b5']) add('b', name, 2)
    await turn()
    expect(ran).toEqual(['a1'])
    await turn()
    expect(ran).toEqual(['a1', 'b1', 'b2', 'b3', 'b4', 'b5'])
    await turn()
    expect(ran).toEqual(['a1', 'b1', 'b2', 'b3', 'b4', 'b5', 'a2'])
  })

  it('rests after a turn that leaves tasks, and is spent meanwhile', async () => {
    budget = new TurnBudget({ perTurn: 10, turnsToRest: 2 })
    for (const name of ['a1', 'a2']) add('a', name, 10)
    await turn()
    for (let resting = 0; resting < 3; resting++) {
      expect([ran, budget.isSpent, budget.isBehind]).toEqual([['a1'], true, false])
      await turn()
    }
    expect(ran).toEqual(['a1', 'a2'])
  })

  it('has less work in a turn while turns are slow, down to an eighth, and more again while they are fast', async () => {
    const turnMs = 5
    budget = new TurnBudget({ perTurn: 16, turnMs })
    let isSlow = true
    const run = () => {
      const endMs = performance.now() + 2 * turnMs
      while (isSlow && performance.now() < endMs);
      ran.push('')
      budget.spend(1)
    }
    for (let i = 0; i < 2_000; i++) budget.add('a', { run })
    const work = async () => {
      const before = ran.length
      await turn()
      return ran.length - before
    }
    expect([await work(), budget.isBehind]).toEqual([16, true])
    expect(await work()).toBe(2)
    expect(await work()).toBe(2)
    isSlow = false
    const works: number[] = []
    while (ran.length < 2_000) works.push(await work())
    expect(works[0]).toBe(2)
    expect(Math.max(...works)).toBe(16)
  })

  it('runs none that was withdrawn', async () => {
    add('a', 'a1')()
    add('a', 'a2', 20)
    await turn()
    expect([ran, budget.isSpent]).toEqual([['a2'], true])
    await turn()
    expect(budget.isSpent).toBe(false)
  })
})
