import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals'
import { awaitImport } from '../../../../src/cli/stores/await-import.ts'
import type { CommandStatuses } from '../../../../src/config-change/submit/command-statuses.ts'
import { importId } from '../../../../src/domain/command-id.ts'

const id = importId('00000000-0000-4000-8000-000000000000')
const applied = { id, status: 'applied', counts: { created: 1, changed: 0, unchanged: 0, deleted: 0 } } as const
type Status = Awaited<ReturnType<CommandStatuses['ofImport']>>

beforeEach(() => void jest.useFakeTimers())
afterEach(() => void jest.useRealTimers())

/** Waits for an import whose status is that of `of`. */
function waitFor({ of, isTaken = false, timeoutMs = Number.POSITIVE_INFINITY }: Given) {
  const said: string[] = []
  const statuses = { ofImport: async () => of() }
  const options = { statuses, isTaken: async () => isTaken, timeoutMs, say: (text: string) => void said.push(text) }
  return { said, result: awaitImport(id, options) }
}

interface Given {
  readonly of: () => Status
  readonly isTaken?: boolean
  readonly timeoutMs?: number
}

describe('the end of an import', () => {
  it('is reported without a message if it comes soon', async () => {
    let status: Status = { id, status: 'queued' }
    const { said, result } = waitFor({ of: () => status })
    await jest.advanceTimersByTimeAsync(1_500)
    status = applied
    await jest.advanceTimersByTimeAsync(100)
    expect([await result, said]).toEqual([applied, []])
  })

  it.each([
    [false, /^no worker has taken command import-.* yet; if none is running, start one with "throttler worker"$/],
    [true, /^waiting for command import-.*, which is being applied$/],
  ])('is waited for with one message after two seconds; taken by a worker: %j', async (isTaken, line) => {
    let status: Status = { id, status: 'queued' }
    const { said, result } = waitFor({ of: () => status, isTaken })
    await jest.advanceTimersByTimeAsync(60_000)
    expect(said).toEqual([expect.stringMatching(line)])
    status = applied
    await jest.advanceTimersByTimeAsync(100)
    expect(await result).toEqual(applied)
  })

  it('is not waited for beyond the timeout', async () => {
    const { result } = waitFor({ of: () => ({ id, status: 'queued' }), timeoutMs: 5_000 })
    const refused = expect(result).rejects.toThrow(`command ${id} has not ended within 5 s; it stays queued`)
    await jest.advanceTimersByTimeAsync(5_100)
    await refused
  })

  it('is not waited for in a store that does not know the import', async () => {
    const { result } = waitFor({ of: () => undefined })
    await expect(result).rejects.toThrow(`no longer knows how command ${id} ended; a part of the import may be applied`)
  })
})
