import { afterEach, describe, expect, it, jest } from '@jest/globals'
import { Registry } from 'prom-client'
import { collectProcessMetrics } from '../../../src/observability/process-metrics.ts'

afterEach(() => void jest.restoreAllMocks())

describe('the metrics of a process', () => {
  it('count its connections at most once in ten seconds', async () => {
    const walk = jest.spyOn(process, 'getActiveResourcesInfo')
    const now = jest.spyOn(performance, 'now').mockReturnValue(0)
    const registry = new Registry()
    collectProcessMetrics(registry)

    for (let i = 0; i < 5; i++) expect(await registry.metrics()).toMatch(/^nodejs_active_resources\{type="/m)
    expect(walk).toHaveBeenCalledTimes(1)
    now.mockReturnValue(10_000)
    await registry.metrics()
    expect(walk).toHaveBeenCalledTimes(2)
  })
})
