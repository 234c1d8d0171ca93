import { beforeEach, describe, expect, it } from '@jest/globals'
import { FairShares } from '../../../src/lib/fair-shares.ts'

const TOLERANCE = 10

let shares: FairShares<string>
beforeEach(() => {
  shares = new FairShares(TOLERANCE)
})

function wait(client: string, count: number): void {
  for (let i = 1; i <= count; i++) shares.add(client, `${client}${i}`)
}

/** Takes items, each of which uses as much as its client's items do. */
function take(count: number, uses: Readonly<Record<string, number>> = {}): string {
  const taken: string[] = []
  for (let i = 0; i < count; i++) {
    const [client, item] = shares.take() ?? ['none', '-']
    taken.push(item)
    shares.charge(client, uses[client] ?? 1)
  }
  return taken.join(' ')
}

describe('items that wait', () => {
  it('are taken in turns by client, the oldest of each first, if they use the same', () => {
    wait('a', 3)
    wait('b', 2)
    expect(take(5)).toBe('a1 b1 a2 b2 a3')
    expect([shares.size, shares.take()]).toEqual([0, undefined])
  })

  it('are taken so that clients use the same, whatever an item uses', () => {
    wait('a', 3)
    wait('b', 8)
    expect(take(10, { a: 3 })).toBe('a1 b1 b2 b3 a2 b4 b5 b6 a3 b7')
  })

  it('are not taken once they are deleted', () => {
    wait('a', 2)
    wait('b', 1)
    shares.delete('a', 'a1')
    shares.delete('a', 'a1')
    shares.delete('b', 'b1')
    shares.delete('c', 'c1')
    expect(shares.size).toBe(1)
    expect(take(1)).toBe('a2')
  })
})

describe('a client that did not wait', () => {
  it('comes first until it has used a little', () => {
    wait('a', 200)
    take(100)
    wait('b', 50)
    expect(take(15)).toBe('b1 b2 b3 b4 b5 b6 b7 b8 b9 b10 b11 a101 b12 a102 b13')
  })

  it('does not come first because it has stopped waiting for a moment', () => {
    wait('a', 200)
    wait('b', 1)
    take(100, { b: 200 })
    wait('b', 1)
    expect(take(100)).not.toContain('b')
  })

  it('is charged for what it uses without having waited', () => {
    wait('a', 100)
    shares.charge('b', 30)
    wait('b', 1)
    expect(take(30)).not.toContain('b')
    expect(take(2)).toContain('b1')
  })
})

it('of the clients that do not wait, the ten thousand that have used the most are remembered', () => {
  wait('x', 1)
  take(1, { x: TOLERANCE + 5 })
  for (let i = 0; i <= 10_000; i++) {
    wait(`c${i}`, 1)
    take(1, { [`c${i}`]: TOLERANCE + 6 })
  }
  wait('y', 2)
  wait('x', 1)
  expect(take(3, { y: TOLERANCE - 2 })).toBe('y1 x1 y2')
})
