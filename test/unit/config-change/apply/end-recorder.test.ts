import { afterEach, beforeEach, expect, it, jest } from '@jest/globals'
import { EndRecorder } from '../../../../src/config-change/apply/end-recorder.ts'
import type { DueEnd } from '../../../../src/config-change/ports.ts'
import { parseCommandId, partitionOf } from '../../../../src/domain/command-id.ts'
import type { ExpirePolicy, QueuedCommand } from '../../../../src/domain/commands.ts'
import { CONFIG_PARTITIONS, configPartition } from '../../../../src/domain/partition.ts'

const A_ROUND_MS = 3_000
const A_RETRY_MS = 30_000
const inEachPartition = (message: string) => Array.from({ length: CONFIG_PARTITIONS }, (_, n) => `${message} ${n}`)

let due: readonly DueEnd[] | Error
/** A partition whose ends cannot be read. */
let damaged: number | undefined
let queued: QueuedCommand[]
let failures: string[]
let recorder: EndRecorder

beforeEach(() => {
  jest.useFakeTimers()
  due = []
  damaged = undefined
  queued = []
  failures = []
  recorder = new EndRecorder({
    reader: {
      dueEnds: async partition => {
        if (due instanceof Error) throw due
        if (partition === damaged) throw new Error('damaged')
        return due.filter(({ key }) => configPartition(key) === partition)
      },
    },
    queue: { addAgain: async command => void queued.push(command) },
    failed: (err, partition) => void failures.push(`${err.message} ${partition}`),
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
  const commands = queued as ExpirePolicy[]
  expect(new Set(commands.map(({ id }) => parseCommandId(id))).size).toBe(3)
  for (const { id, key } of commands) expect(partitionOf(id)).toBe(configPartition(key))
  const first = commands.find(({ key, version }) => key === 'user:1' && version === 2)
  expect(first).toEqual({ id: first?.id, type: 'expire', key: 'user:1', version: 2, actor: 'throttler' })
})

it('a command whose end is still due after half a minute is queued again, with the same id', async () => {
  due = [{ key: 'user:1', version: 2 }]
  await recorder.start()
  await jest.advanceTimersByTimeAsync(A_RETRY_MS - 1)
  expect(queued).toHaveLength(1)
  await jest.advanceTimersByTimeAsync(1)
  expect(queued).toEqual([queued[0], queued[0]])
})

it('a command of a later version is queued at once', async () => {
  due = [{ key: 'user:1', version: 2 }]
  await recorder.start()
  due = [{ key: 'user:1', version: 3 }]
  await jest.advanceTimersByTimeAsync(A_ROUND_MS)
  expect(queued).toMatchObject([{ version: 2 }, { version: 3 }])
})

it('a partition whose ends cannot be read is reported, and does not hold up the others', async () => {
  due = ['user:1', 'user:2', 'user:3', 'ü'].map(key => ({ key, version: 2 }))
  damaged = configPartition('user:1')
  const others = due.filter(({ key }) => configPartition(key) !== damaged)
  expect(others).not.toHaveLength(0)
  await recorder.start()
  await jest.advanceTimersByTimeAsync(A_ROUND_MS)
  expect(queued).toHaveLength(others.length)
  expect(failures).toEqual([`damaged ${damaged}`])
  damaged = undefined
  await jest.advanceTimersByTimeAsync(A_ROUND_MS)
  expect(queued).toHaveLength(due.length)
})

it('failed rounds are reported once, and followed by others', async () => {
  due = new Error('away')
  await recorder.start()
  await jest.advanceTimersByTimeAsync(A_ROUND_MS)
  expect(failures).toEqual(inEachPartition('away'))
  due = [{ key: 'user:1', version: 2 }]
  await jest.advanceTimersByTimeAsync(A_ROUND_MS)
  expect(queued).toHaveLength(1)
  due = new Error('away again')
  await jest.advanceTimersByTimeAsync(A_ROUND_MS)
  expect(failures).toEqual([...inEachPartition('away'), ...inEachPartition('away again')])
})

it('no round begins after a stop', async () => {
  await recorder.start()
  recorder.stop()
  await recorder.start()
  expect(jest.getTimerCount()).toBe(0)
})
