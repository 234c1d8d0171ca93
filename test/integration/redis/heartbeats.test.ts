import { afterEach, beforeEach, expect, it } from '@jest/globals'
import { Cluster, Redis } from 'ioredis'
import { pino } from 'pino'
import type { Logger } from '../../../src/observability/logger.ts'
import { Heartbeats } from '../../../src/redis/buckets/heartbeats.ts'
import type { RedisClient } from '../../../src/redis/connection/connection.ts'
import { heartbeatsKey } from '../../../src/redis/keys.ts'
import { describeWithRedis } from '../../support/describe-with-redis.ts'
import { eventually } from '../../support/eventually.ts'
import { RedisCluster } from '../../support/redis-cluster.ts'
import { RedisServer } from '../../support/redis-server.ts'

const KEY = heartbeatsKey('throttler')

interface HeartbeatsParts {
  readonly logger?: Logger
  onCounted?(processes: number): void
}

function heartbeatsOf(redis: RedisClient, parts: HeartbeatsParts = {}): Heartbeats {
  const { logger = pino({ level: 'silent' }), onCounted = () => undefined } = parts
  return new Heartbeats({ redis, keyPrefix: 'throttler', onCounted, logger })
}

describeWithRedis('heartbeats', () => {
  let server: RedisServer
  let redis: Redis
  let logged: { msg: string; key?: string }[]
  const processes: Heartbeats[] = []
  beforeEach(async () => {
    server = await RedisServer.start()
    redis = new Redis(server.url, { maxRetriesPerRequest: 0 })
    logged = []
  })
  afterEach(async () => {
    for (const heartbeats of processes.splice(0)) await heartbeats.stop()
    redis.disconnect()
    await server.stop()
  })

  async function startProcesses(count: number): Promise<void> {
    const logger = pino({}, { write: line => void logged.push(JSON.parse(line)) })
    for (let i = 0; i < count; i++) processes.push(heartbeatsOf(redis, { logger }))
    for (const heartbeats of processes) await heartbeats.start()
  }
  const counts = () => processes.map(({ counted }) => counted)
  const expectEachCounts = (counted: readonly number[]) => eventually(() => expect(counts()).toEqual(counted))
  const expectCounts = (counted: number) => expectEachCounts(processes.map(() => counted))

  it('count every process', async () => {
    await startProcesses(4)
    await expectCounts(4)
  })

  it('do not count a process that does not serve yet, which counts itself with the others', async () => {
    await startProcesses(2)
    const successor = heartbeatsOf(redis)
    processes.push(successor)
    await successor.observe()
    await expectEachCounts([2, 2, 3])
    expect(await redis.zcard(KEY)).toBe(2)
    await successor.start()
    await expectEachCounts([3, 3, 3])
  })

  it('tell what a process that serves has counted', async () => {
    await startProcesses(2)
    const told: number[] = []
    const last = heartbeatsOf(redis, { onCounted: processes => void told.push(processes) })
    processes.push(last)
    await last.observe()
    expect(told).toEqual([])
    await last.start()
    expect(told).toEqual([3])
  })

  it('continue an earlier count, which stays while the store is unavailable, and for a while afterwards', async () => {
    await server.kill()
    await startProcesses(1)
    processes[0]?.resume(4)
    await processes[0]?.start()
    expect(counts()).toEqual([4])
    await server.restart()
    await expectCounts(1)
  })

  it('keep a count while the store fails again and again and loses the heartbeats', async () => {
    await startProcesses(1)
    processes[0]?.resume(4)
    for (let failures = 0; failures < 6; failures++) {
      await processes[0]?.start()
      await server.kill()
      await processes[0]?.start()
      await server.restart()
      await eventually(() => redis.ping())
    }
    expect(await redis.zcard(KEY)).toBe(0)
    expect(counts()).toEqual([4])
  })

  it('count processes whose heartbeats the store has lost, until they have had time to send others', async () => {
    await startProcesses(4)
    await expectCounts(4)
    await redis.flushall()
    let fewest = 4
    await eventually(async () => {
      fewest = Math.min(fewest, ...counts())
      expect(await redis.zcard(KEY)).toBe(4)
    })
    expect(fewest).toBe(4)
  })

  it('no longer count a process that has stopped, after a while', async () => {
    await startProcesses(2)
    await expectCounts(2)
    await processes.pop()?.stop()
    await eventually(() => expect(counts()).toEqual([1]))
  })

  it('remove a key of another type, and say so', async () => {
    await redis.set(KEY, 'foreign')
    await startProcesses(2)
    await expectCounts(2)
    expect(logged).toContainEqual(expect.objectContaining({ level: 40, key: KEY }))
  })
})

describeWithRedis('heartbeats in a cluster', () => {
  it('take their time from the server that has them, since the clocks of others may differ', async () => {
    const cluster = await RedisCluster.start()
    const client = new Cluster(cluster.masters.map(({ port }) => ({ host: '127.0.0.1', port })))
    const heartbeats = heartbeatsOf(client)
    const asked = async () => {
      const stats = await Promise.all(cluster.masters.map(({ redis }) => redis.info('commandstats')))
      return stats.map(text => Number(/cmdstat_time:calls=(\d+)/.exec(text)?.[1] ?? 0))
    }
    try {
      for (let i = 0; i < 8; i++) {
        await heartbeats.start()
        await heartbeats.stop()
      }
      expect((await asked()).toSorted()).toEqual([0, 0, 8])
    } finally {
      client.disconnect()
      await cluster.stop()
    }
  })
})
