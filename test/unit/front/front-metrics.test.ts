import { describe, expect, it } from '@jest/globals'
import { FrontMetrics } from '../../../src/front/front-metrics.ts'
import { failureReason } from '../../../src/redis/connection/failure-reason.ts'

describe('failed calls of the bucket store', () => {
  it('are counted from 0, for every reason', async () => {
    const metrics = new FrontMetrics({ policies: () => 0, circuitState: () => 0, queueJobs: async () => ({}) })
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
