import { setTimeout as sleep } from 'node:timers/promises'
import { beforeEach, describe, expect, it } from '@jest/globals'
import { watchEventLoop } from '../../../src/access/overload.ts'

let isOverloaded: () => boolean
beforeEach(() => {
  isOverloaded = watchEventLoop(50)
})

/** Lets the event loop turn once, then blocks it for this long. */
async function turnFor(ms: number): Promise<void> {
  await sleep(1)
  const end = performance.now() + ms
  while (performance.now() < end);
}

describe('a process', () => {
  it('is overloaded once two turns in a row take too long', async () => {
    await turnFor(100)
    expect(isOverloaded()).toBe(false)
    await turnFor(20)
    expect(isOverloaded()).toBe(false)
    await turnFor(100)
    await turnFor(100)
    expect(isOverloaded()).toBe(true)
  })

  it('has recovered after a short turn, and then may again take one long turn', async () => {
    await turnFor(100)
    await turnFor(100)
    expect(isOverloaded()).toBe(true)
    await turnFor(0)
    expect(isOverloaded()).toBe(false)
    await turnFor(100)
    await sleep(50)
    await turnFor(100)
    expect(isOverloaded()).toBe(false)
  })
})
