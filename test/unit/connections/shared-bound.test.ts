import { beforeEach, describe, expect, it } from '@jest/globals'
import { SharedBound } from '../../../src/connections/shared-bound.ts'

const MAX = 10

let bound: SharedBound
let lost: string[]
beforeEach(() => {
  bound = new SharedBound(MAX)
  lost = []
})

const loses = new Map<string, () => void>()
/** What is held under this name. */
function loseOf(name: string): () => void {
  const lose = loses.get(name) ?? (() => void lost.push(name))
  loses.set(name, lose)
  return lose
}

function holdEach(client: string, count: number, amount = 1): void {
  for (let i = 1; i <= count; i++) bound.hold(client, loseOf(`${client}${i}`), amount)
}

describe('beyond a shared bound', () => {
  it('the client that holds the most loses its oldest, until there is room', () => {
    holdEach('a', 2, 2)
    holdEach('b', 6)
    expect(lost).toEqual([])
    bound.hold('c', loseOf('c1'), 2)
    expect(lost).toEqual(['b1', 'b2'])
  })

  it('a client loses its oldest if it holds the most itself', () => {
    holdEach('a', MAX + 2)
    expect(lost).toEqual(['a1', 'a2'])
  })

  it('what grows keeps its age', () => {
    holdEach('a', MAX)
    bound.hold('a', loseOf('a1'), 2)
    expect(lost).toEqual(['a1'])
  })

  it('many at once end in the order of their age, of each client that holds the most', () => {
    const held = ['a1', 'b1', 'a2', 'b2', 'a3'].map(name => [name.slice(0, 1), loseOf(name), 4] as const)
    bound.holdAll(held)
    expect(lost).toEqual(['a1', 'b1', 'a2'])
  })

  it('what has ended counts no more', () => {
    holdEach('a', MAX)
    bound.release('a', loseOf('a1'))
    bound.release('a', loseOf('a1'))
    bound.hold('b', loseOf('b1'), 1)
    expect(lost).toEqual([])
  })
})

describe('what a flood would hold beyond a shared bound', () => {
  it('ends itself if its client holds the most', () => {
    holdEach('a', MAX)
    bound.holdOrLose('a', loseOf('new'), 1)
    expect(lost).toEqual(['new'])
  })

  it('takes from the client that holds the most if its own holds less', () => {
    holdEach('a', MAX)
    bound.holdOrLose('b', loseOf('new'), 1)
    expect(lost).toEqual(['a1'])
  })
})
