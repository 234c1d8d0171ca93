import { EventEmitter } from 'node:events'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterEach, beforeEach, expect, it, jest } from '@jest/globals'
import { BatchTurns } from '../../../src/check/batch-turns.ts'
import { Problem } from '../../../src/lib/errors.ts'

type BatchRequest = Parameters<BatchTurns['next']>[0]

let turns: BatchTurns
let begun: string[]
beforeEach(() => {
  turns = new BatchTurns(10_000)
  begun = []
})

afterEach(() => {
  jest.useRealTimers()
})

function requestOf(ip: string): BatchRequest {
  return { ip, socket: Object.assign(new EventEmitter(), { destroyed: false }) } as unknown as BatchRequest
}

/** Sends a batch, and records its client once the batch may be decided, or the problem that it gets. */
function send(
  ip: string,
  checks: number,
  { request = requestOf(ip), deadlineMs = Number.POSITIVE_INFINITY } = {},
): void {
  const record = () => void begun.push(ip)
  const turn = turns.next(request, { checks, weight: checks, deadlineMs })
  if (turn === undefined) record()
  else turn.then(record, err => void begun.push(err instanceof Problem ? `${ip} ${err.code}` : String(err)))
}

function sendMany(ip: string, count: number, checks: number): void {
  for (let i = 0; i < count; i++) send(ip, checks)
}

it('batches of 100 begin at once while fewer than 20 are under way', () => {
  sendMany('192.0.2.1', 25, 100)
  expect(begun).toHaveLength(20)
})

it('the batch of another client is the next to begin, however many wait', async () => {
  sendMany('192.0.2.1', 10, 1_000)
  send('192.0.2.2', 100)
  expect(begun).toEqual(['192.0.2.1', '192.0.2.1'])
  for (let ended = 0; ended < 2; ended++) turns.end(1_000)
  await nextTurn()
  expect(begun.slice(2)).toEqual(['192.0.2.1', '192.0.2.2', '192.0.2.1'])
})

it('a small batch waits for other small ones only', async () => {
  sendMany('192.0.2.1', 10, 1_000)
  send('192.0.2.2', 2)
  expect(begun).toEqual(['192.0.2.1', '192.0.2.1', '192.0.2.2'])
  sendMany('192.0.2.3', 20, 32)
  await nextTurn()
  expect(begun.slice(3)).toHaveLength(16)
  turns.end(32)
  await nextTurn()
  expect(begun.slice(3)).toHaveLength(17)
})

it('the batch of a client that asks for little comes before those of clients that ask for much', async () => {
  turns = new BatchTurns(100_000)
  const busy = Array.from({ length: 8 }, (_, i) => `198.51.100.${i}`)
  for (const ip of [...busy, ...busy]) send(ip, 2_000)
  for (let ended = 0; ended < busy.length; ended++) {
    turns.end(2_000)
    await nextTurn()
  }
  send('192.0.2.2', 100)
  turns.end(2_000)
  await nextTurn()
  expect(begun.slice(busy.length + 1)).toEqual(['192.0.2.2', expect.stringMatching(/^198/)])
})

it('batches never make up more than half of the checks that may wait, plus the last batch', () => {
  turns = new BatchTurns(1_000)
  sendMany('192.0.2.1', 10, 100)
  expect(begun).toHaveLength(5)
})

it('batches that wait are refused once the process drains', async () => {
  sendMany('192.0.2.1', 3, 1_000)
  turns.dropWaiting()
  turns.end(2_000)
  await nextTurn()
  expect(begun).toEqual(['192.0.2.1', '192.0.2.1', '192.0.2.1 draining'])
})

it('if the checks of too many batches wait, the client with the most is refused', async () => {
  sendMany('192.0.2.1', 12, 1_000)
  send('192.0.2.2', 100)
  await nextTurn()
  expect(begun).toEqual(['192.0.2.1', '192.0.2.1', '192.0.2.1 overloaded'])
})

it('a batch leaves the queue when its connection closes', async () => {
  sendMany('192.0.2.1', 2, 1_000)
  const request = requestOf('192.0.2.3')
  send('192.0.2.3', 100, { request })
  send('192.0.2.2', 100)
  request.socket.emit('close')
  turns.end(1_000)
  await nextTurn()
  expect(begun.slice(2)).toEqual(['192.0.2.2'])
})

it('a batch begins at its deadline, however many are under way', async () => {
  jest.useFakeTimers()
  sendMany('192.0.2.1', 3, 1_000)
  send('192.0.2.2', 100, { deadlineMs: performance.now() + 10 })
  await jest.advanceTimersByTimeAsync(9)
  expect(begun).toHaveLength(2)
  await jest.advanceTimersByTimeAsync(1)
  expect(begun.slice(2)).toEqual(['192.0.2.2'])
  for (let ended = 0; ended < 2; ended++) turns.end(1_000)
  await jest.advanceTimersByTimeAsync(1)
  expect(begun.slice(3)).toEqual(['192.0.2.1'])
})

it('of batches whose deadlines come together, those of a hundred checks begin in each turn of the event loop', async () => {
  sendMany('192.0.2.1', 2, 1_000)
  const deadlineMs = performance.now() + 5
  for (let batch = 0; batch < 40; batch++) send('192.0.2.2', 50, { deadlineMs })
  while (begun.length < 42) {
    const before = begun.length
    await nextTurn()
    expect(begun.length - before).toBeLessThanOrEqual(2)
  }
})

it('a late batch that waits is refused once the process drains, and leaves when its connection closes', async () => {
  jest.useFakeTimers()
  sendMany('192.0.2.1', 2, 1_000)
  const deadlineMs = performance.now() + 10
  const request = requestOf('192.0.2.3')
  for (let batch = 0; batch < 4; batch++) send('192.0.2.2', 50, { deadlineMs })
  send('192.0.2.3', 50, { request, deadlineMs })
  jest.advanceTimersByTime(10)
  request.socket.emit('close')
  turns.dropWaiting()
  await jest.advanceTimersByTimeAsync(1)
  const late = new Array(2).fill('192.0.2.2')
  expect(begun.slice(2)).toEqual([...late, ...late.map(ip => `${ip} draining`)])
})

it('a batch has no timer left once it has begun, and none for a deadline beyond all timers', async () => {
  jest.useFakeTimers()
  sendMany('192.0.2.1', 2, 1_000)
  send('192.0.2.2', 1, { deadlineMs: performance.now() + 10 })
  send('192.0.2.2', 1, { deadlineMs: performance.now() + 1e12 })
  turns.end(1_000)
  await jest.advanceTimersByTimeAsync(1)
  expect(begun.slice(2)).toEqual(['192.0.2.2', '192.0.2.2'])
  expect(jest.getTimerCount()).toBe(0)
})
