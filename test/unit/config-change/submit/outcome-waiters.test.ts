import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals'
import { OutcomeWaiters } from '../../../../src/config-change/submit/outcome-waiters.ts'
import type { CommandResult } from '../../../../src/domain/outcome.ts'

const WAIT_MS = 60_000
const ending = (id: string): CommandResult => ({ id, key: 'a', status: 'applied', version: 1, effect: 'created' })

// Nothing is due unless the test says so.
beforeEach(() => void jest.useFakeTimers())
afterEach(() => void jest.useRealTimers())

describe('a request that waits for a command', () => {
  it('looks for itself once announcements may have been missed', async () => {
    const ended = new Map<string, CommandResult>()
    const waiters = new OutcomeWaiters({ find: async id => ended.get(id) })
    const [first, second] = [waiters.wait('first', WAIT_MS), waiters.wait('second', WAIT_MS)]
    ended.set('first', ending('first'))
    waiters.lookAll()
    expect(await first.ended).toEqual(ending('first'))
    ended.set('second', ending('second'))
    waiters.lookAll()
    expect(await second.ended).toEqual(ending('second'))
  })

  it('continues to wait while the store is unavailable', async () => {
    let isAway = true
    const waiters = new OutcomeWaiters({
      find: async id => {
        if (isAway) throw new Error('away')
        return ending(id)
      },
    })
    const { ended } = waiters.wait('first', WAIT_MS)
    waiters.lookAll()
    await Promise.resolve()
    isAway = false
    await jest.advanceTimersByTimeAsync(1_000)
    expect(await ended).toEqual(ending('first'))
  })
})
