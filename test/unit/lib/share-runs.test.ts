import { describe, expect, it, jest } from '@jest/globals'
import { shareNextRun, shareRun } from '../../../src/lib/share-runs.ts'
import { eventually } from '../../support/eventually.ts'

/** A task that numbers its runs; the test ends each of them. */
function givenTask() {
  const ends: (() => void)[] = []
  const task = () => {
    const run = ends.length + 1
    return new Promise<number>(resolve => ends.push(() => resolve(run)))
  }
  return { task, ends, end: (run: number) => eventually(() => (ends[run - 1] as () => void)()) }
}

describe('a shared next run', () => {
  it('begins at once if none is in progress, else after the current one, once for all callers', async () => {
    const { task, ends, end } = givenTask()
    const ask = shareNextRun(task)
    const first = ask()
    await eventually(() => expect(ends).toHaveLength(1))
    const others = Array.from({ length: 100 }, ask)
    await end(1)
    expect(await first).toBe(1)
    await end(2)
    expect(new Set(await Promise.all(others))).toEqual(new Set([2]))
    expect(ends).toHaveLength(2)
  })

  it('takes place even if the previous one failed', async () => {
    const outcomes = [Promise.reject(new Error('failed')), Promise.resolve('done')]
    const ask = shareNextRun(() => outcomes.shift() as Promise<string>)
    await expect(ask()).rejects.toThrow('failed')
    expect(await ask()).toBe('done')
  })
})

describe('a shared next run with an interval', () => {
  it('begins no sooner than the interval after the previous one, although timers may be early', async () => {
    let nowMs = 0
    const now = jest.spyOn(performance, 'now').mockImplementation(() => nowMs++)
    const ask = shareNextRun(async () => nowMs, 3)
    const [first, second] = [await ask(), await ask()]
    now.mockRestore()
    expect(second - first).toBeGreaterThanOrEqual(3)
  })
})

describe('a shared run', () => {
  it('is shared while it runs, however long that is', async () => {
    const { task, ends, end } = givenTask()
    const ask = shareRun(task, 0)
    const askers = [ask(), ask(), ask()]
    await end(1)
    expect(await Promise.all(askers)).toEqual([1, 1, 1])
    void ask()
    expect(ends).toHaveLength(2)
  })

  it('is shared until the interval after its start has passed', async () => {
    const { task, ends, end } = givenTask()
    const ask = shareRun(task, 60_000)
    const first = ask()
    await end(1)
    await first
    expect(await ask()).toBe(1)
    expect(ends).toHaveLength(1)
  })
})
