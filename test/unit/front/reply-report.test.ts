import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals'
import { FrontMetrics } from '../../../src/front/front-metrics.ts'
import { replyReport } from '../../../src/front/reply-report.ts'
import type { Logger } from '../../../src/observability/logger.ts'
import { NO_GAUGES } from '../../support/no-gauges.ts'

let nowMs: number
beforeEach(() => {
  nowMs = 1_000
  jest.spyOn(performance, 'now').mockImplementation(() => nowMs)
})
afterEach(() => {
  jest.restoreAllMocks()
})

describe('clocks that differ', () => {
  it('are counted for each call, and logged once a minute', async () => {
    const observer = new FrontMetrics(NO_GAUGES)
    const error = jest.fn()
    const logger = { error } as Partial<Logger> as Logger
    const report = replyReport({ observer, expired: () => undefined, logger, loggedKey: key => key })
    for (nowMs of [1_000, 1_001, 60_999]) report.clocksDiffered()
    expect(error).toHaveBeenCalledTimes(1)
    nowMs = 61_000
    report.clocksDiffered()
    expect(error).toHaveBeenCalledTimes(2)
    expect(error).toHaveBeenCalledWith(expect.stringContaining('the clocks of this process and of the bucket store'))
    expect(await observer.registry.metrics()).toContain('throttler_store_errors_total{reason="clock-skew"} 4')
  })
})
