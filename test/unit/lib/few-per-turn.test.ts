import { expect, it } from '@jest/globals'
import { FewPerTurn } from '../../../src/lib/few-per-turn.ts'

const nextTurn = () => new Promise(setImmediate)

it('runs tasks in their order, a few in each turn', async () => {
  const tasks = new FewPerTurn<number>(3)
  const ran: number[] = []
  for (let i = 0; i < 7; i++) tasks.add(i, () => ran.push(i))
  expect(ran).toEqual([])
  const counts: number[] = []
  while (ran.length < 7) {
    await nextTurn()
    counts.push(ran.length)
  }
  expect(counts.filter(count => count > 0)).toEqual([3, 6, 7])
  expect(ran).toEqual([0, 1, 2, 3, 4, 5, 6])
})

it('runs one task for each key, and none that was deleted', async () => {
  const tasks = new FewPerTurn<string>(10)
  const ran: string[] = []
  tasks.add('a', () => ran.push('first'))
  tasks.add('b', () => ran.push('deleted'))
  tasks.add('a', () => ran.push('second'))
  tasks.delete('b')
  await nextTurn()
  await nextTurn()
  expect(ran).toEqual(['second'])
})

it('runs tasks that tasks add', async () => {
  const tasks = new FewPerTurn<string>(1)
  const ran = new Promise<void>(resolve => tasks.add('a', () => tasks.add('b', resolve)))
  await ran
})
