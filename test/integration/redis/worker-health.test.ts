import { once } from 'node:events'
import type { Server } from 'node:http'
import { afterEach, beforeEach, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { createLogger } from '../../../src/observability/logger.ts'
import { readEnv } from '../../../src/settings/env.ts'
import { composeWorker, type WorkerParts } from '../../../workers/compose-worker.ts'
import { serveMetrics } from '../../../workers/metrics-server.ts'
import { Client } from '../../support/client.ts'
import { describeWithRedis } from '../../support/describe-with-redis.ts'
import { eventually } from '../../support/eventually.ts'
import { freePort } from '../../support/free-port.ts'
import { promised } from '../../support/promised.ts'
import { RedisServer } from '../../support/redis-server.ts'
import { barWaitingConnections } from '../../support/waiting-connections.ts'

const HOST = '127.0.0.1'

describeWithRedis("a worker's /health", () => {
  let redis: RedisServer
  let worker: WorkerParts
  let server: Server
  let client: Client
  beforeEach(async () => {
    redis = await RedisServer.start()
    const logger = createLogger({ level: 'silent', role: 'worker' })
    worker = composeWorker(
      readEnv({ needsRedis: true }, { REDIS_URL: redis.url.replace('//', '//default:any@'), REDIS_TIMEOUT_MS: '200' }),
      logger,
    )
    await worker.workers.start()
    const port = await freePort(HOST)
    const { inspectStore, workers } = worker
    const unreachablePartitions = () => workers.unreachablePartitions
    const metrics = async () => ''
    server = serveMetrics({ host: HOST, port, inspectStore, unreachablePartitions, metrics, logger }) as Server
    await once(server, 'listening')
    client = new Client(`http://${HOST}:${port}`)
  })
  afterEach(async () => {
    await worker.close()
    server.close()
    server.closeAllConnections()
    await redis.stop()
  })

  async function expectHealth(expected: object): Promise<void> {
    await eventually(async () => expect((await client.get('/health')).body).toMatchObject(expected), promised(1_000))
  }

  it('is degraded at once while its Redis hangs, and ok after that', async () => {
    await expectHealth({ status: 'ok', configStore: 'up' })
    redis.signal('SIGSTOP')
    await expectHealth({ status: 'degraded', configStore: 'down', reason: 'timeout' })
    redis.signal('SIGCONT')
    await expectHealth({ status: 'ok', configStore: 'up' })
  })

  it('is degraded while its user may not run a command that changes need', async () => {
    const admin = new Redis(redis.url)
    await admin.call('ACL', 'SETUSER', 'default', '-lpush')
    await expectHealth({ status: 'degraded', configStore: 'down', reason: 'not-authorized' })
    await admin.call('ACL', 'SETUSER', 'default', '+lpush')
    await expectHealth({ status: 'ok', configStore: 'up' })
    admin.disconnect()
  })

  it('is degraded while its Redis is a replica, with that reason however often it connects anew', async () => {
    await expectHealth({ status: 'ok' })
    const admin = new Redis(redis.url)
    await admin.replicaof('127.0.0.1', '1')
    await expectHealth({ status: 'degraded', reason: 'read-only' })
    const reasons = new Set<string>()
    for (let i = 0; i < 100; i++) reasons.add((await client.get('/health')).body.reason)
    expect([...reasons]).toEqual(['read-only'])
    await admin.replicaof('NO', 'ONE')
    await expectHealth({ status: 'ok' })
    admin.disconnect()
  })

  it('is degraded while its Redis is down', async () => {
    await redis.kill()
    await expectHealth({ status: 'degraded', configStore: 'down', reason: 'connection-lost' })
    await redis.restart()
    await expectHealth({ status: 'ok', configStore: 'up' })
  })

  it('names the partitions whose worker cannot reach its queue, although the store answers', async () => {
    const admin = new Redis(redis.url)
    await barWaitingConnections(admin, 4)
    const degraded = { status: 'degraded', configStore: 'up', reason: 'queue-unreachable' }
    await eventually(async () => {
      const { body } = await client.get('/health')
      expect(body).toMatchObject(degraded)
      expect(body.unreachablePartitions).toEqual([0, 1, 2, 3])
    })
    await admin.config('SET', 'maxclients', '10000')
    await eventually(async () => expect((await client.get('/health')).body.status).toBe('ok'))
    admin.disconnect()
  })
})
