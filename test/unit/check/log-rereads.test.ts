import { beforeEach, describe, expect, it } from '@jest/globals'
import { LogRereads } from '../../../src/check/log-rereads.ts'

const TIMEOUT_MS = 20

let nowMs: number
/** The reads in flight, in order. */
let reads: { readonly partition: number; resolve(): void; reject(err: Error): void }[]
let rereads: LogRereads
beforeEach(() => {
  nowMs = 0
  reads = []
  rereads = new LogRereads({
    catchUp: partition => new Promise((resolve, reject) => reads.push({ partition, resolve, reject })),
    timeoutMs: TIMEOUT_MS,
    now: () => nowMs,
  })
})

/** Whether it is settled once everything that needs no timer has happened. */
async function isSettled(read: Promise<void>): Promise<boolean> {
  const pending = Symbol('pending')
  const later = new Promise(resolve => setImmediate(resolve, pending))
  return (await Promise.race([read, later])) !== pending
}

/** Begins a read and ends it. Returns whether the log was read. */
async function readOnce(): Promise<boolean> {
  const read = rereads.read(0)
  const wasRead = reads.length > 0
  for (const { resolve } of reads.splice(0)) resolve()
  await read
  await isSettled(read)
  return wasRead
}

describe('a read of the log', () => {
  it('ends when the log has been read', async () => {
    const read = rereads.read(2)
    expect([reads.map(({ partition }) => partition), await isSettled(read)]).toEqual([[2], false])
    reads[0]?.resolve()
    await read
  })

  it('ends also if the log cannot be read', async () => {
    const read = rereads.read(2)
    reads[0]?.reject(new Error('the store is unavailable'))
    await read
  })

  it('does not wait for that of another log', async () => {
    const [first, other] = [rereads.read(1), rereads.read(2)]
    expect(reads.map(({ partition }) => partition)).toEqual([1, 2])
    reads[0]?.resolve()
    await first
    expect(await isSettled(other)).toBe(false)
  })

  it('follows the one in flight, which may have begun before the change, and is shared', async () => {
    const [first, second, third] = [rereads.read(1), rereads.read(1), rereads.read(1)]
    expect(reads).toHaveLength(1)
    reads[0]?.resolve()
    await first
    expect([await isSettled(second), await isSettled(third), reads.length]).toEqual([false, false, 2])
    reads[1]?.resolve()
    await Promise.all([second, third])
    expect(reads).toHaveLength(2)
  })

  it('counts among the ten of a second also if it follows another one', async () => {
    for (let i = 0; i < 9; i++) await readOnce()
    const [, next] = [rereads.read(0), rereads.read(0)]
    reads[0]?.resolve()
    await next
    expect(reads).toHaveLength(1)
  })

  it('that follows a slow one is waited for no longer than any other', async () => {
    const first = rereads.read(1)
    const startMs = performance.now()
    await rereads.read(1)
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(TIMEOUT_MS - 1)
    await first
    reads[0]?.resolve()
  })

  it('is not shared once it has ended', async () => {
    expect([await readOnce(), await readOnce()]).toEqual([true, true])
  })

  it('is waited for only so long; then nobody waits for it, and no other begins until it has ended', async () => {
    const startMs = performance.now()
    await rereads.read(1)
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(TIMEOUT_MS - 1)
    expect([await isSettled(rereads.read(1)), reads.length]).toEqual([true, 1])
    reads[0]?.reject(new Error('timeout'))
    await isSettled(Promise.resolve())
    const next = rereads.read(1)
    expect([await isSettled(next), reads.length]).toEqual([false, 2])
  })

  it('begins at most ten times in any second; otherwise nobody waits', async () => {
    const begins: number[] = []
    for (; nowMs < 10_000; nowMs += 7) if (await readOnce()) begins.push(nowMs)
    for (const begin of begins) {
      expect(begins.filter(other => other >= begin && other < begin + 1_000).length).toBeLessThanOrEqual(10)
    }
    expect(begins.length).toBe(100)
  })
})
