import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from '@jest/globals'
import { freePort } from '../../src/processes/free-port.ts'
import { eventually } from '../support/eventually.ts'
import { describeWithRedis, RedisServer } from '../support/redis-server.ts'
import { Service } from '../support/service.ts'
import { endOf, expectCleanEnd, handlesSignals } from '../support/stops.ts'

/** Spread over a start, which takes about a second. */
const MOMENTS_MS = [0, 100, 250, 450, 700, 1_000]

describe('a stop during the start', () => {
  it.each(MOMENTS_MS)('of the whole service, %i ms after it handles signals, ends everything', async afterMs => {
    const service = await Service.spawn({ kind: 'all' })
    try {
      await handlesSignals(service)
      await sleep(afterMs)
      expectCleanEnd(await endOf(service))
    } finally {
      await service.stop()
    }
  })

  it.each([0, 400, 1_000])('without Redis, %i ms after it handles signals, ends everything', async afterMs => {
    const env = { REDIS_URL: `redis://127.0.0.1:${await freePort('127.0.0.1')}` }
    const service = await Service.spawn({ kind: 'all', env })
    try {
      await handlesSignals(service)
      await sleep(afterMs)
      expectCleanEnd(await endOf(service, 'SIGINT'))
    } finally {
      await service.stop()
    }
  })
})

describeWithRedis('a stop during a replacement', () => {
  it('ends successors that are still starting', async () => {
    const redis = await RedisServer.start()
    const service = await Service.start({ kind: 'api', env: { REDIS_URL: redis.url } })
    try {
      const before = service.pidsOf('throttler front')
      service.process.kill('SIGHUP')
      await eventually(() => expect(service.pids).toHaveLength(before.length + 2))
      await sleep(50)
      expectCleanEnd(await endOf(service))
    } finally {
      await service.stop()
      await redis.stop()
    }
  })
})
