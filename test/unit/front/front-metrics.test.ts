import { describe, expect, it } from '@jest/globals'
import { FrontMetrics } from '../../../src/front/front-metrics.ts'
import { failureReason } from '../../../src/redis/connection/failure-reason.ts'
import { NO_GAUGES } from '../../support/no-gauges.ts'

describe('failed calls of the bucket store', () => {
  it('are counted from 0, for every reason', async () => {
    const metrics = new FrontMetrics(NO_GAUGES)
    const series = async () => {
      const text = await metrics.registry.metrics()
      return [...text.matchAll(/^throttler_store_errors_total\{reason="(.+)"\} (\d+)$/gm)].map(
        ([, ...sample]) => sample,
      )
    }
    const atFirst = await series()
    expect(atFirst).toEqual(
      expect.arrayContaining([
        ['timeout', '0'],
        ['clock-skew', '0'],
      ]),
    )
    expect(atFirst.filter(([, count]) => count !== '0')).toEqual([])

    metrics.storeCalled(1, 0.01, failureReason(new Error('the connection is closed')))
    metrics.clocksDiffered()
    const counted = new Set(['connection-lost', 'clock-skew'])
    expect(await series()).toEqual(atFirst.map(([reason = '']) => [reason, counted.has(reason) ? '1' : '0']))
  })
})

it('the time for which the same command is the first of a queue is given in seconds, by partition', async () => {
  const waitsMs = new Map([
    [0, 1_500],
    [3, 0],
  ])
  const { registry } = new FrontMetrics({ ...NO_GAUGES, queueWaitsMs: () => waitsMs })
  const series = async () =>
    [...(await registry.metrics()).matchAll(/^throttler_queue_first_command_seconds.*/gm)].map(([line]) => line)
  expect(await series()).toEqual([
    'throttler_queue_first_command_seconds{partition="0"} 1.5',
    'throttler_queue_first_command_seconds{partition="3"} 0',
  ])
  waitsMs.clear()
  expect(await series()).toEqual([])
})
