import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals'
import { ResultWaiters } from '../../../../src/config-change/submit/result-waiters.ts'
import { type CommandId, commandId } from '../../../../src/domain/command-id.ts'
import type { CommandResult } from '../../../../src/domain/outcome.ts'

const WAIT_MS = 60_000
const first = commandId('a', '00000000-0000-4000-8000-000000000001')
const second = commandId('a', '00000000-0000-4000-8000-000000000002')
const resultOf = (id: CommandId): CommandResult => ({ id, key: 'a', status: 'applied', version: 1, effect: 'created' })
const settledOf = (id: CommandId) => ({ result: resultOf(id), event: undefined })

// No timer fires unless a test advances the clock.
beforeEach(() => void jest.useFakeTimers())
afterEach(() => void jest.useRealTimers())

describe('a request that waits for a command', () => {
  it('asks the store once announcements may have been missed', async () => {
    const ended = new Set<CommandId>()
    const waiters = new ResultWaiters({ find: async id => (ended.has(id) ? resultOf(id) : undefined) })
    const waits = [waiters.wait(first, WAIT_MS), waiters.wait(second, WAIT_MS)]
    ended.add(first)
    waiters.findAll()
    expect(await waits[0]?.settled).toEqual(settledOf(first))
    ended.add(second)
    waiters.findAll()
    expect(await waits[1]?.settled).toEqual(settledOf(second))
  })

  it('continues to wait while the store is unavailable', async () => {
    let isUnavailable = true
    const waiters = new ResultWaiters({
      find: async id => {
        if (isUnavailable) throw new Error('Connection is closed.')
        return resultOf(id)
      },
    })
    const { settled } = waiters.wait(first, WAIT_MS)
    waiters.findAll()
    await Promise.resolve()
    isUnavailable = false
    await jest.advanceTimersByTimeAsync(1_000)
    expect(await settled).toEqual(settledOf(first))
  })

  it('is released at its deadline, and when the process stops', async () => {
    const waiters = new ResultWaiters({ find: async () => undefined })
    const late = waiters.wait(first, 5_000)
    await jest.advanceTimersByTimeAsync(5_000)
    expect(await late.settled).toBeUndefined()
    const stopped = waiters.wait(first, WAIT_MS)
    waiters.end()
    expect(await stopped.settled).toBeUndefined()
    expect(await waiters.wait(first, WAIT_MS).settled).toBeUndefined()
  })
})
