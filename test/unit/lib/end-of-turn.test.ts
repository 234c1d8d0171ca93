import { expect, it } from '@jest/globals'
import { atEndOfTurn } from '../../../src/lib/end-of-turn.ts'

const nextTurn = () => new Promise(setImmediate)

it('acts at the end of the turn, in order', async () => {
  const acted: string[] = []
  atEndOfTurn(() => acted.push('first'))
  atEndOfTurn(() => acted.push('second'))
  process.nextTick(() => acted.push('rest of the turn'))
  expect(acted).toEqual([])
  await nextTurn()
  expect(acted).toEqual(['rest of the turn', 'first', 'second'])
})

it('acts one right after another, before what the actions put off', async () => {
  const acted: string[] = []
  for (const name of ['first', 'second']) {
    atEndOfTurn(() => {
      acted.push(name)
      process.nextTick(() => acted.push(`${name}, put off`))
    })
  }
  await nextTurn()
  expect(acted).toEqual(['first', 'second', 'first, put off', 'second, put off'])
})

it('acts in the next turn on what an action asks for', async () => {
  const acted: string[] = []
  atEndOfTurn(() => atEndOfTurn(() => acted.push('later')))
  await nextTurn()
  expect(acted).toEqual([])
  await nextTurn()
  expect(acted).toEqual(['later'])
})
