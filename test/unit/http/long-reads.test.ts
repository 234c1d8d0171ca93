import { EventEmitter } from 'node:events'
import { afterEach, beforeEach, expect, it, jest } from '@jest/globals'
import { SharedBound } from '../../../src/connections/shared-bound.ts'
import { LongReads } from '../../../src/http/long-reads.ts'

type Options = Parameters<LongReads['read']>[0]
type ReadRequest = Options['request']

/** Time in which everything happens that waits for no pace, in ms. */
const SOON_MS = 3

let reads: LongReads
let drain: AbortController
let events: string[]
beforeEach(() => {
  jest.useFakeTimers()
  drain = new AbortController()
  reads = new LongReads(drain.signal, new SharedBound(1_000_000))
  events = []
})
afterEach(() => {
  jest.useRealTimers()
})

function requestOf(ip = '192.0.2.1'): ReadRequest {
  return { ip, socket: Object.assign(new EventEmitter(), { destroyed: false }) } as unknown as ReadRequest
}

/** A read that ends when the test says so. */
function held(kind: 'list' | 'export', name: string, request = requestOf()): () => void {
  let end: () => void = () => undefined
  const run = () => {
    events.push(name)
    return new Promise<void>(resolve => {
      end = resolve
    })
  }
  void reads.read({ kind, request }, run)
  return () => end()
}

/** A read of so many parts. It records each part, and at last how it ended. */
function readParts(name: string, parts: number, request = requestOf()): void {
  const run = async (nextPart: () => Promise<void>) => {
    for (let part = 0; part < parts; part++) {
      await nextPart()
      events.push(name)
    }
  }
  reads.read({ kind: 'export', request }, run).then(
    () => void events.push(`${name} ended`),
    () => void events.push(`${name} failed`),
  )
}

const countOf = (event: string) => events.filter(recorded => recorded === event).length

it('two exports run at once, the others wait, and lists do not wait for them', async () => {
  const [endFirst] = ['a', 'b', 'c', 'd'].map(name => held('export', name))
  held('list', 'list')
  await jest.advanceTimersByTimeAsync(SOON_MS)
  expect(events.toSorted()).toEqual(['a', 'b', 'list'])
  endFirst?.()
  await jest.advanceTimersByTimeAsync(SOON_MS)
  expect(events.slice(3)).toEqual(['c'])
})

it('clients take turns, however many reads one of them has', async () => {
  const ends = ['a1', 'a2', 'a3', 'a4'].map(name => held('list', name))
  held('list', 'b1', requestOf('192.0.2.2'))
  await jest.advanceTimersByTimeAsync(SOON_MS)
  ends[0]?.()
  await jest.advanceTimersByTimeAsync(SOON_MS)
  expect(events).toEqual(['a1', 'b1', 'a2'])
})

it('all reads together get 20,000 entries a second after a burst', async () => {
  for (const name of ['a', 'b', 'c']) readParts(name, 100_000)
  await jest.advanceTimersByTimeAsync(1_000)
  events = []
  await jest.advanceTimersByTimeAsync(10_000)
  const entries = 128 * events.length
  expect(entries).toBeGreaterThan(195_000)
  expect(entries).toBeLessThan(205_000)
})

it('a part is read only after the event loop has turned', async () => {
  readParts('a', 2)
  await Promise.resolve()
  expect(events).toEqual([])
  await jest.advanceTimersByTimeAsync(SOON_MS + SOON_MS)
  expect(events).toEqual(['a', 'a', 'a ended'])
})

it('a read whose connection closes gets no further part, and leaves its place to the next', async () => {
  const request = requestOf()
  readParts('a', 1_000, request)
  held('export', 'b')
  readParts('c', 1)
  await jest.advanceTimersByTimeAsync(SOON_MS)
  const parts = countOf('a')
  request.socket.emit('close')
  await jest.advanceTimersByTimeAsync(100)
  expect([countOf('a'), countOf('a failed'), countOf('c ended')]).toEqual([parts, 1, 1])
})

it('a read whose connection closes while it waits does not run', async () => {
  const ends = ['a', 'b'].map(name => held('export', name))
  const request = requestOf()
  readParts('c', 1, request)
  await jest.advanceTimersByTimeAsync(SOON_MS)
  request.socket.emit('close')
  for (const end of ends) end()
  await jest.advanceTimersByTimeAsync(100)
  expect(events).toEqual(['a', 'b', 'c failed'])
})

it('a read that fails leaves its place to the next', async () => {
  const failing = () => Promise.reject(new Error('a fault'))
  const failed = Array.from({ length: 3 }, () =>
    reads.read({ kind: 'list', request: requestOf() }, failing).catch(String),
  )
  held('list', 'next')
  await jest.advanceTimersByTimeAsync(2 * SOON_MS)
  expect([await Promise.all(failed), events]).toEqual([Array(3).fill('Error: a fault'), ['next']])
})

it('reads that have begun get all their parts before another one begins', async () => {
  for (const name of ['a', 'b', 'c']) readParts(name, 50, requestOf(`192.0.2.${name}`))
  await jest.advanceTimersByTimeAsync(1_000)
  const firstEnd = events.findIndex(event => event.endsWith('ended'))
  expect(events.slice(0, firstEnd)).not.toContain('c')
  expect(countOf('c ended')).toBe(1)
})

it('a read that leaves its place gets further parts, and another one begins', async () => {
  const begun = reads.begin({ kind: 'export', request: requestOf() })
  for (const name of ['b', 'c', 'd']) held('export', name)
  await jest.advanceTimersByTimeAsync(SOON_MS)
  expect(events).toEqual(['b'])
  const read = await begun
  read.leave()
  read.leave()
  await jest.advanceTimersByTimeAsync(SOON_MS)
  expect(events).toEqual(['b', 'c'])
  const part = read.nextPart()
  await jest.advanceTimersByTimeAsync(SOON_MS)
  await expect(part).resolves.toBeUndefined()
})

/** What becomes of a read, which ends at once when it runs. */
function outcomeOf(kind: Options['kind'] = 'export'): Promise<string> {
  return reads.read({ kind, request: requestOf() }, async () => 'read').catch(({ code }) => code)
}

it.each(['list', 'export'] as const)(
  'of more than 200 reads that wait, the client with the most loses its newest: %s',
  async kind => {
    const ends = ['a', 'b'].map(name => held(kind, name))
    await jest.advanceTimersByTimeAsync(SOON_MS)
    const waiting = Array.from({ length: 200 }, () => outcomeOf(kind))
    held(kind, 'c', requestOf('192.0.2.2'))
    expect(await waiting.pop()).toBe('overloaded')
    for (const end of ends) end()
    await jest.advanceTimersByTimeAsync(1_000)
    expect(events).toEqual(['a', 'b', 'c'])
    expect(new Set(await Promise.all(waiting))).toEqual(new Set(['read']))
  },
)

it('reads that wait when the process begins to drain are refused', async () => {
  for (const name of ['a', 'b']) held('export', name)
  const waiting = outcomeOf()
  await jest.advanceTimersByTimeAsync(SOON_MS)
  drain.abort()
  expect(await waiting).toBe('draining')
})

it('a read that comes while the process drains runs if it need not wait', async () => {
  drain.abort()
  expect(await outcomeOf()).toBe('read')
  await jest.advanceTimersByTimeAsync(SOON_MS)
  for (const name of ['a', 'b']) held('export', name)
  expect(await outcomeOf()).toBe('draining')
})
