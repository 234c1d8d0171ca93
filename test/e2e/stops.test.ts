import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { freePort } from '../../src/processes/free-port.ts'
import { describeWithRedis } from '../support/describe-with-redis.ts'
import { eventually } from '../support/eventually.ts'
import { descendantsOf, pidsWithVariable } from '../support/processes.ts'
import { RedisServer } from '../support/redis-server.ts'
import { Service } from '../support/service.ts'
import { endOf, expectCleanEnd, handlesSignals } from '../support/stops.ts'

/** Spread over a start, which takes about a second. */
const MOMENTS_MS = [0, 250, 450, 1_000]

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

  it.each([400, 1_000])('without Redis, %i ms after it handles signals, ends everything', async afterMs => {
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

it('SIGHUP during the start changes nothing', async () => {
  const service = await Service.spawn({ kind: 'all' })
  try {
    await handlesSignals(service)
    service.process.kill('SIGHUP')
    await service.says(/"supervisor".*listening on/)
  } finally {
    await service.stop()
  }
})

describe('a stop', () => {
  let service: Service
  beforeEach(async () => {
    service = await Service.start()
  })
  afterEach(() => service.stop())

  it('that is requested twice is one stop', async () => {
    const end = endOf(service)
    service.process.kill('SIGTERM')
    expectCleanEnd(await end)
  })

  it('by a terminal, which signals every process at once, ends everything', async () => {
    for (const { pid } of descendantsOf(service.process.pid ?? 0)) process.kill(pid, 'SIGINT')
    expectCleanEnd(await endOf(service, 'SIGINT'))
  })

  it('does not replace processes that died just before', async () => {
    const victims = ['front', 'worker', 'store'].map(kind => service.pidsOf(`throttler ${kind}`)[0] ?? 0)
    for (const pid of victims) process.kill(pid, 'SIGKILL')
    await eventually(() => expect(service.output.join()).toContain('a process died and is replaced'))
    expectCleanEnd(await endOf(service))
  })

  it('continues when the worker dies meanwhile', async () => {
    const [worker = 0] = service.pidsOf('throttler worker')
    const end = endOf(service)
    process.kill(worker, 'SIGKILL')
    expectCleanEnd(await end)
  })

  it('leaves no process for long when the primary is killed meanwhile', async () => {
    const [primary = 0] = service.pidsOf('throttler primary')
    const exited = once(service.process, 'exit')
    service.process.kill('SIGTERM')
    process.kill(primary, 'SIGKILL')
    expect(await exited).toEqual([0, null])
    await eventually(() => expect(pidsWithVariable('DATA_DIR', service.dataDir)).toEqual([]), 5_000)
  })
})

describeWithRedis('a stop while Redis hangs', () => {
  it('waits neither for Redis nor for BullMQ', async () => {
    const redis = await RedisServer.start()
    const service = await Service.start({ env: { REDIS_URL: redis.url } })
    try {
      const noticed = service.says(/the connection to Redis is lost/)
      redis.signal('SIGSTOP')
      await noticed
      expectCleanEnd(await endOf(service))
    } finally {
      await service.stop()
      await redis.stop()
    }
  })
})

describeWithRedis('a stop during a replacement', () => {
  it('ends successors that are still starting', async () => {
    const redis = await RedisServer.start()
    const service = await Service.start({ kind: 'api', env: { REDIS_URL: redis.url } })
    try {
      const { length } = service.pids
      service.process.kill('SIGHUP')
      await eventually(() => expect(service.pids).toHaveLength(length + 1))
      await sleep(50)
      expectCleanEnd(await endOf(service))
    } finally {
      await service.stop()
      await redis.stop()
    }
  })
})
