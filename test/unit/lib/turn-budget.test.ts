import { beforeEach, describe, expect, it } from '@jest/globals'
import { TurnBudget } from '../../../src/lib/turn-budget.ts'

const turn = () => new Promise(setImmediate)

let budget: TurnBudget
let ran: string[]
beforeEach(() => {
  budget = new TurnBudget(10)
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

  it('runs none that was withdrawn', async () => {
    add('a', 'a1')()
    add('a', 'a2', 20)
    await turn()
    expect([ran, budget.isSpent]).toEqual([['a2'], true])
    await turn()
    expect(budget.isSpent).toBe(false)
  })
})
