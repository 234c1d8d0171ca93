import { setImmediate as nextTurn } from 'node:timers/promises'
import { beforeEach, expect, it } from '@jest/globals'
import { Admission } from '../../../src/access/admission.ts'

let begun: string[]
let dropped: string[]
beforeEach(() => {
  begun = []
  dropped = []
})

/** Adds tasks of a weight. A task is named after its client and its number. Returns functions that withdraw them. */
function add(admission: Admission, weight: number, ...names: readonly string[]): (() => void)[] {
  return names.map(name =>
    admission.add(name.charAt(0), {
      weight,
      run: () => void begun.push(name),
      drop: () => void dropped.push(name),
    }),
  )
}

it('a task begins at once while there is room', async () => {
  const admission = new Admission({ maxWeight: 10 })
  expect([admission.tryBegin(6), admission.tryBegin(6), admission.tryBegin(1)]).toEqual([true, true, false])
})

it('a task that weighs more than there can be begins alone', async () => {
  const admission = new Admission({ maxWeight: 10 })
  expect([admission.tryBegin(1_000), admission.tryBegin(1)]).toEqual([true, false])
  admission.end(1_000)
  await nextTurn()
  expect(admission.tryBegin(1)).toBe(true)
})

it('a task that waits begins once others have ended, and no task overtakes it', async () => {
  const admission = new Admission({ maxWeight: 10 })
  admission.tryBegin(10)
  add(admission, 5, 'a1', 'a2', 'a3')
  await nextTurn()
  expect([begun, admission.tryBegin(1)]).toEqual([[], false])
  admission.end(10)
  expect(admission.tryBegin(1)).toBe(false)
  await nextTurn()
  expect(begun).toEqual(['a1', 'a2'])
  admission.end(5)
  await nextTurn()
  expect(begun).toEqual(['a1', 'a2', 'a3'])
})

it('tasks that end at once still leave other work its turns of the event loop', async () => {
  const admission = new Admission({ maxWeight: 10 })
  for (const name of ['a1', 'a2', 'a3', 'a4', 'a5']) {
    admission.add('a', {
      weight: 5,
      run: () => {
        begun.push(name)
        admission.end(5)
      },
    })
  }
  const counts: number[] = []
  for (let turn = 0; turn < 3; turn++) {
    await nextTurn()
    counts.push(begun.length)
  }
  expect(counts).toEqual([2, 4, 5])
})

it('clients take turns, however many tasks one of them has', async () => {
  const admission = new Admission({ maxWeight: 1 })
  add(admission, 1, 'a1', 'a2', 'a3', 'b1', 'c1')
  for (let turn = 0; turn < 5; turn++) {
    await nextTurn()
    admission.end(1)
  }
  expect(begun).toEqual(['a1', 'b1', 'c1', 'a2', 'a3'])
})

it('if too many tasks wait, the client whose tasks weigh the most loses its newest', async () => {
  const admission = new Admission({ maxWeight: 1, maxWaiting: 100 })
  admission.tryBegin(1)
  add(admission, 40, 'a1', 'a2')
  add(admission, 5, 'b1', 'b2', 'b3', 'b4')
  expect(dropped).toEqual([])
  add(admission, 5, 'b5')
  expect(dropped).toEqual(['a2'])
})

it('a withdrawn task does not begin', async () => {
  const admission = new Admission({ maxWeight: 1 })
  const [withdraw] = add(admission, 1, 'a1', 'a2')
  withdraw?.()
  await nextTurn()
  expect(begun).toEqual(['a2'])
})
