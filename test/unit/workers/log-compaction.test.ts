import { afterEach, beforeEach, expect, it, jest } from '@jest/globals'
import type { MaintainedLog, MaintainedPartition } from '../../../src/config-change/maintenance/ports.ts'
import type { Logger } from '../../../src/observability/logger.ts'
import { LogCompaction } from '../../../workers/log-compaction.ts'

const INTERVAL_MS = 5_000

beforeEach(() => void jest.useFakeTimers())
afterEach(() => void jest.useRealTimers())

it('a log that cannot be compacted does not stop the others, and is reported', async () => {
  const asked: number[] = []
  const partition = (number: number, bounds: () => unknown) =>
    ({
      number,
      log: {
        bounds: async () => {
          asked.push(number)
          return bounds()
        },
      } as Partial<MaintainedLog>,
    }) as MaintainedPartition
  const damaged = () => {
    throw new Error('damaged')
  }
  const short = () => ({ identity: 'x', compactedTo: 0, last: 1, lastEventMark: 'event' })
  const said: unknown[] = []
  const logger = { warn: (fields: { partition: number }) => said.push(fields.partition) } as unknown as Logger
  const compaction = new LogCompaction({ partitions: [partition(0, damaged), partition(1, short)], keep: 1, logger })
  await jest.advanceTimersByTimeAsync(INTERVAL_MS)
  compaction.stop()
  expect([asked, said]).toEqual([[0, 1], [0]])
})
