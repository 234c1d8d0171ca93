import { beforeEach, describe, expect, it } from '@jest/globals'
import { FailedLogins, FREE_FAILED_LOGINS } from '../../../src/access/failed-logins.ts'

let nowMs: number
/** Answers of the store that are under way. */
let counts: ((waitMs: number) => void)[]
let logins: FailedLogins
beforeEach(() => {
  nowMs = 1_000
  counts = []
  const count = () => new Promise<number>(resolve => void counts.push(resolve))
  logins = new FailedLogins(count, () => nowMs)
})

/** A failed login that the store counts. @param waitMs what the store answers */
async function counted(client: string, waitMs: number): Promise<number> {
  const added = logins.add(client)
  counts.at(-1)?.(waitMs)
  return added
}

describe('failed logins of a client', () => {
  it('are counted by the store while they may be allowed', async () => {
    expect(await counted('a', 0)).toBe(0)
    expect(await counted('a', 0)).toBe(0)
    expect(counts).toHaveLength(2)
  })

  it('are refused at once while those under way use up the burst', () => {
    for (let i = 0; i < FREE_FAILED_LOGINS; i++) expect(logins.add('a')).toBeInstanceOf(Promise)
    expect(logins.add('a')).toBe(1_000)
    expect(logins.add('b')).toBeInstanceOf(Promise)
    expect(counts).toHaveLength(FREE_FAILED_LOGINS + 1)
  })

  it('are refused at once until the next one may be allowed', async () => {
    expect(await counted('a', 800)).toBe(800)
    nowMs += 300
    expect(logins.add('a')).toBe(499)
    expect(await counted('b', 0)).toBe(0)
    nowMs += 499
    expect(await counted('a', 0)).toBe(0)
    expect(counts).toHaveLength(3)
  })

  it('that could not be counted are under way no more', async () => {
    const failing = new FailedLogins(
      () => Promise.reject(new Error('unavailable')),
      () => nowMs,
    )
    for (let i = 0; i < 2 * FREE_FAILED_LOGINS; i++) await expect(failing.add('a')).rejects.toThrow('unavailable')
  })
})
