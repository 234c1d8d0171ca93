import { setTimeout as sleep } from 'node:timers/promises'
import { beforeEach, describe, expect, it } from '@jest/globals'
import { watchEventLoop } from '../../../src/http/overload.ts'

let isOverloaded: () => boolean
beforeEach(() => {
  isOverloaded = watchEventLoop(50)
})

/** Lets the event loop turn, then keeps it at the same turn for so long. */
async function turnFor(ms: number): Promise<void> {
  await sleep(1)
  const end = performance.now() + ms
  while (performance.now() < end);
}

describe('a process', () => {
  it('is overloaded from when a second turn in a row takes too long', async () => {
    await turnFor(100)
    expect(isOverloaded()).toBe(false)
    await turnFor(20)
    expect(isOverloaded()).toBe(false)
    await turnFor(100)
    await turnFor(100)
    expect(isOverloaded()).toBe(true)
  })

  it('has caught up a turn later, and then again may take its time once', async () => {
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
