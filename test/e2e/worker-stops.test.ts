import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { ConfigKeys } from '../../src/redis/keys.ts'
import { Client } from '../support/client.ts'
import { describeWithRedis } from '../support/describe-with-redis.ts'
import { eventually } from '../support/eventually.ts'
import { freePort } from '../support/free-port.ts'
import { type ClusterNode, RedisCluster } from '../support/redis-cluster.ts'
import { RedisServer } from '../support/redis-server.ts'
import { Service } from '../support/service.ts'
import { endOf, expectCleanEnd } from '../support/stops.ts'
import { barWaitingConnections } from '../support/waiting-connections.ts'

let worker: Service
let health: Client

async function startWorker(redisUrl: string): Promise<void> {
  const port = await freePort()
  worker = await Service.start({ kind: 'worker', env: { REDIS_URL: redisUrl, WORKER_METRICS_PORT: String(port) } })
  health = new Client(`http://127.0.0.1:${port}`)
  await eventually(async () => expect((await health.get('/health')).body).toMatchObject({ status: 'ok' }))
}

describeWithRedis('a worker stops soon on a cluster', () => {
  let cluster: RedisCluster
  beforeAll(async () => {
    cluster = await RedisCluster.start()
  })
  afterAll(() => cluster.stop())
  beforeEach(() => startWorker(cluster.url))
  afterEach(() => worker.stop())

  describe.each([0, 1, 2])('while master %i of three', index => {
    const master = () => cluster.masters[index] as ClusterNode

    it('hangs, which its health says', async () => {
      master().server.signal('SIGSTOP')
      try {
        await eventually(async () => expect((await health.get('/health')).body).toMatchObject({ status: 'degraded' }))
        expectCleanEnd(await endOf(worker))
      } finally {
        master().server.signal('SIGCONT')
      }
    })

    it('is dead, which its health says', async () => {
      await master().server.kill()
      await eventually(async () => expect((await health.get('/health')).body).toMatchObject({ status: 'degraded' }))
      expectCleanEnd(await endOf(worker))
      await cluster.restart(master())
      await eventually(async () => expect(await master().redis.cluster('INFO')).toContain('cluster_state:ok'))
    })
  })

  it('while the connections that wait for commands at a master cannot come back', async () => {
    const { redis } = await masterOfPartition(0)
    await barWaitingConnections(redis, 1)
    try {
      await eventually(async () => expect(await redis.info('stats')).toMatch(/^rejected_connections:\d\d/m))
      expectCleanEnd(await endOf(worker))
    } finally {
      await redis.config('SET', 'maxclients', '10000')
    }
  })

  /** Each of the three has a third of the slots. */
  async function masterOfPartition(partition: number): Promise<ClusterNode> {
    const [first] = cluster.masters as [ClusterNode]
    const slot = await first.redis.cluster('KEYSLOT', new ConfigKeys('throttler', partition).log)
    return cluster.masters[Math.floor((3 * Number(slot)) / 16_384)] as ClusterNode
  }
})

describeWithRedis('a worker stops soon', () => {
  let server: RedisServer
  let redis: Redis
  beforeEach(async () => {
    server = await RedisServer.start()
    redis = new Redis(server.url)
    await startWorker(server.url)
  })
  afterEach(async () => {
    await worker.stop()
    redis.disconnect()
    await server.stop()
  })

  it('while the connections that wait for commands cannot come back, which its health says', async () => {
    await barWaitingConnections(redis, 4)
    const degraded = { status: 'degraded', reason: 'queue-unreachable', unreachablePartitions: [0, 1, 2, 3] }
    await eventually(async () => expect((await health.get('/health')).body).toMatchObject(degraded))
    expectCleanEnd(await endOf(worker))
  })

  it('but not by SIGHUP, which replaces front processes', async () => {
    worker.process.kill('SIGHUP')
    expect((await health.get('/health')).body).toMatchObject({ status: 'ok' })
    expectCleanEnd(await endOf(worker))
  })
})
