import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { CONFIG_PARTITIONS, configPartition } from '../../src/domain/partition.ts'
import { ConfigKeys, queueName } from '../../src/redis/keys.ts'
import { runThrottler } from '../support/cli.ts'
import { Client } from '../support/client.ts'
import { describeWithRedis } from '../support/describe-with-redis.ts'
import { eventually } from '../support/eventually.ts'
import { RedisServer } from '../support/redis-server.ts'
import { Service } from '../support/service.ts'

const TEST_MS = 60_000
/** The bound of docs/consistency.md. */
const RECORDED_MS = 60_000
/** Checks, each with a new connection. The service distributes those over its processes. */
const ASKED = 24
/** From the PUT to the end. Within this time every process has to obey the policy, and the worker has to stop. */
const ENDS_IN_MS = 5_000

const policy = (capacity: number) => ({ capacity, refillTokens: 1, refillIntervalMs: 86_400_000 })

describeWithRedis('a temporary policy', () => {
  let buckets: RedisServer
  let policies: RedisServer
  let api: Service
  let client: Client
  let worker: Service | undefined

  const variables = () => ({ REDIS_URL: buckets.url, CONFIG_REDIS_URL: policies.url })
  const startWorker = async () => {
    worker = await Service.start({ kind: 'worker', env: variables() })
  }
  const stopWorker = async () => {
    await worker?.stop()
    worker = undefined
  }

  beforeAll(async () => {
    buckets = await RedisServer.start()
    policies = await RedisServer.start('--appendonly', 'yes', '--appendfsync', 'always')
    api = await Service.start({ kind: 'api', env: { ...variables(), WEB_CONCURRENCY: '3' } })
    client = new Client(api.url)
    await startWorker()
  }, TEST_MS)
  afterAll(async () => {
    await stopWorker()
    await api?.stop()
    await policies?.stop()
    await buckets?.stop()
  }, TEST_MS)

  /** The limits by which the processes decide the key. Each check spends nothing. */
  async function limitsOf(key: string): Promise<number[]> {
    const ask = () => client.request('POST', '/check', { key, tokens: 0 }, { connection: 'close' })
    const answers = await Promise.all(Array.from({ length: ASKED }, ask))
    return [...new Set(answers.map(({ body }) => body.limit as number))]
  }

  const typesOf = async (key: string) =>
    (await client.get(`/config/${key}/history`)).body.events.map(({ type }: { type: string }) => type)

  /** Stores a temporary policy, and resolves with its end once every process obeys it. */
  async function raise(key: string, then: object | null = policy(10)): Promise<number> {
    const endMs = Date.now() + ENDS_IN_MS
    const expiresAt = new Date(endMs).toISOString()
    expect((await client.put(key, { ...policy(100), expiresAt, then })).status).toBeLessThan(300)
    await eventually(async () => expect(await limitsOf(key)).toEqual([100]))
    return endMs
  }

  it(
    'ends in every process within a second, without a worker and without the policy store; then it is recorded',
    async () => {
      await client.put('raised', policy(10))
      const endMs = await raise('raised')
      // A remembered denial must not outlive the end.
      expect((await client.check('raised', 100)).status).toBe(200)
      expect((await client.check('raised', 100)).status).toBe(429)
      await stopWorker()
      await policies.kill()
      expect(Date.now()).toBeLessThan(endMs)
      expect(await limitsOf('raised')).toEqual([100])
      await sleep(endMs + 1_000 - Date.now())
      expect(await limitsOf('raised')).toEqual([10])
      expect((await client.check('raised', 1)).body).toMatchObject({ limit: 10, policyVersion: 2 })

      await policies.restart()
      await eventually(async () => expect((await client.get('/config/raised')).headers.get('etag')).toBe('"2-ended"'))
      await startWorker()
      const recorded = ['created', 'changed', 'expired']
      await eventually(async () => expect(await typesOf('raised')).toEqual(recorded), RECORDED_MS)
      expect((await client.get('/config/raised')).headers.get('etag')).toBe('"3"')
      expect(await limitsOf('raised')).toEqual([10])
      expect((await runThrottler(['verify'], variables())).code).toBe(0)
    },
    TEST_MS + RECORDED_MS,
  )

  it(
    'is in force for a process that starts meanwhile, and ends there too',
    async () => {
      const endMs = await raise('restarted', null)
      const other = await Service.start({ kind: 'api', env: variables() })
      try {
        const limit = async () => (await new Client(other.url).check('restarted', 0)).body.limit
        if (Date.now() < endMs - 500) expect(await limit()).toBe(100)
        await sleep(Math.max(0, endMs + 1_000 - Date.now()))
        expect((await new Client(other.url).check('restarted', 0)).body).toMatchObject({ policy: 'default' })
      } finally {
        await other.stop()
      }
    },
    TEST_MS,
  )

  it(
    'has its end recorded within a minute after a repair, without a failed command; damage of another partition does not matter',
    async () => {
      const redis = new Redis(policies.url)
      const keys = new ConfigKeys('throttler', configPartition('repaired'))
      const other = new ConfigKeys('throttler', (configPartition('repaired') + 1) % CONFIG_PARTITIONS)
      try {
        await redis.del(other.ends)
        await redis.set(other.ends, 'x')
        await raise('repaired')
        await redis.rename(keys.names, 'saved')
        await redis.set(keys.names, 'x')
        await eventually(async () => expect(await redis.keys(keys.failure('*'))).toHaveLength(1), RECORDED_MS)
        await redis.rename('saved', keys.names)
        expect((await client.request('PUT', '/config/other:*?dryRun=true', policy(1))).status).toBe(200)
        await eventually(async () => expect(await typesOf('repaired')).toEqual(['created', 'expired']), RECORDED_MS)
        const { queuePrefix } = keys
        expect(await redis.exists(`${queuePrefix}:${queueName(configPartition('repaired'))}:failed`)).toBe(0)
      } finally {
        await redis.del(other.ends)
        redis.disconnect()
      }
    },
    TEST_MS + 2 * RECORDED_MS,
  )

  it(
    'does not end if an operator replaces it before',
    async () => {
      const endMs = await raise('replaced')
      expect((await client.put('replaced', policy(50))).status).toBe(200)
      const ended = await raise('ended')
      await sleep(Math.max(0, endMs + 1_000 - Date.now()))
      expect(await limitsOf('replaced')).toEqual([50])
      await eventually(async () => expect(await typesOf('ended')).toEqual(['created', 'expired']), RECORDED_MS)
      expect(Date.now()).toBeGreaterThanOrEqual(ended)
      expect(await typesOf('replaced')).toEqual(['created', 'changed'])
    },
    TEST_MS + RECORDED_MS,
  )
})
