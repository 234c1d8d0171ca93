import { afterEach, beforeEach, expect, it, jest } from '@jest/globals'
import { EndRecorder } from '../../../../src/config-change/apply/end-recorder.ts'
import type { DueEnd } from '../../../../src/config-change/ports.ts'
import { parseCommandId, partitionOf } from '../../../../src/domain/command-id.ts'
import type { QueuedCommand } from '../../../../src/domain/commands.ts'
import { configPartition } from '../../../../src/domain/partition.ts'

const A_ROUND_MS = 3_000

let due: readonly DueEnd[] | Error
let queued: QueuedCommand[]
let failures: string[]
let recorder: EndRecorder

beforeEach(() => {
  jest.useFakeTimers()
  due = []
  queued = []
  failures = []
  recorder = new EndRecorder({
    reader: {
      dueEnds: async () => {
        if (due instanceof Error) throw due
        return due
      },
    },
    queue: { add: async command => void queued.push(command) },
    failed: err => void failures.push(err.message),
  })
})
afterEach(() => {
  recorder.stop()
  jest.useRealTimers()
})

it('a round queues one command for each end, with an id of its own in the partition of the key', async () => {
  due = [
    { key: 'user:1', version: 2 },
    { key: 'user:1', version: 3 },
    { key: 'ü', version: 2 },
  ]
  await recorder.record()
  const ids = queued.map(({ id }) => parseCommandId(id))
  expect(new Set(ids).size).toBe(3)
  expect(ids.map(id => id && partitionOf(id))).toEqual(due.map(({ key }) => configPartition(key)))
  expect(queued[0]).toEqual({ id: ids[0], type: 'expire', key: 'user:1', version: 2, actor: 'throttler' })
})

it('a later round, or another worker, queues the same commands again', async () => {
  due = [{ key: 'user:1', version: 2 }]
  await recorder.start()
  await jest.advanceTimersByTimeAsync(A_ROUND_MS)
  expect(queued).toHaveLength(2)
  expect(queued[1]).toEqual(queued[0])
})

it('failed rounds are reported once, and followed by others', async () => {
  due = new Error('away')
  await recorder.start()
  await jest.advanceTimersByTimeAsync(A_ROUND_MS)
  expect(failures).toEqual(['away'])
  due = [{ key: 'user:1', version: 2 }]
  await jest.advanceTimersByTimeAsync(A_ROUND_MS)
  expect(queued).toHaveLength(1)
  due = new Error('away again')
  await jest.advanceTimersByTimeAsync(A_ROUND_MS)
  expect(failures).toEqual(['away', 'away again'])
})

it('no round begins after a stop', async () => {
  await recorder.start()
  recorder.stop()
  await recorder.start()
  expect(jest.getTimerCount()).toBe(0)
})
