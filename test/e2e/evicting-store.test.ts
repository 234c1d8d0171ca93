import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { Client } from '../support/client.ts'
import { describeWithRedis } from '../support/describe-with-redis.ts'
import { eventually } from '../support/eventually.ts'
import { promised } from '../support/promised.ts'
import { RedisServer } from '../support/redis-server.ts'
import { Service } from '../support/service.ts'

const SLOW = { capacity: 5, refillTokens: 1, refillIntervalMs: 2_000_000_000 }
const QUOTA = { kind: 'quota', capacity: 5, period: 'year' }
const RISKS = /the (?:policy|bucket) store (may evict [a-z ]+|keeps nothing on disk)/

const risksOf = (service: Service) => service.output.flatMap(line => RISKS.exec(line)?.[1] ?? [])

describeWithRedis('a service with buckets in a store that evicts, and policies in one that does not,', () => {
  let buckets: RedisServer
  let config: RedisServer
  let admin: Redis
  let service: Service
  let client: Client
  beforeAll(async () => {
    buckets = await RedisServer.start('--maxmemory', '8mb', '--maxmemory-policy', 'allkeys-lru')
    config = await RedisServer.start('--appendonly', 'yes')
    admin = new Redis(buckets.url)
    service = await Service.start({ env: { REDIS_URL: buckets.url, CONFIG_REDIS_URL: config.url } })
    client = new Client(service.url)
    await client.put('kept:*', SLOW)
    await client.put('spent', SLOW)
  })
  afterAll(async () => {
    await service.stop()
    admin.disconnect()
    await Promise.all([buckets.stop(), config.stop()])
  })

  it('logs no warning about its stores', () => {
    expect(risksOf(service)).toEqual([])
  })

  it('continues when buckets are evicted: they are full again, and no policy is lost', async () => {
    let checked = 0
    await eventually(async () => {
      for (let i = 0; i < 20; i++) {
        const checks = Array.from({ length: 1_000 }, () => ({ key: `kept:${checked++}` }))
        const { body } = await client.request('POST', '/check/batch', { checks })
        expect(body.results.every((result: { source: string }) => result.source === 'redis')).toBe(true)
      }
      expect(Number(/^evicted_keys:(\d+)/m.exec(await admin.info('stats'))?.[1])).toBeGreaterThan(1_000)
    })
    const checks = Array.from({ length: 1_000 }, (_, i) => ({ key: `kept:${i}`, tokens: 0 }))
    const { body } = await client.request('POST', '/check/batch', { checks })
    const remaining = new Set(body.results.map((result: { remaining: number }) => result.remaining))
    expect(remaining).toContain(SLOW.capacity)
    expect([...remaining].every(tokens => tokens === SLOW.capacity || tokens === SLOW.capacity - 1)).toBe(true)
    expect((await client.get('/config/kept%3A*')).status).toBe(200)
  })

  it('continues when buckets and scripts are flushed: buckets are full, in every process within a second', async () => {
    for (let i = 0; i < 5; i++) await client.check('spent')
    expect((await client.check('spent')).status).toBe(429)
    await admin.flushall()
    await admin.script('FLUSH')
    await eventually(
      async () => expect((await client.check('spent')).body).toMatchObject({ allowed: true }),
      promised(1_200),
    )
    expect((await client.check('spent', 0)).body).toMatchObject({ policy: 'spent', policyVersion: 1, source: 'redis' })
  })
})

describeWithRedis('a bucket store that evicts and keeps nothing on disk', () => {
  it('causes a warning for each of the two once there are quotas, and at each start from then on', async () => {
    const buckets = await RedisServer.start('--maxmemory-policy', 'allkeys-lru')
    const config = await RedisServer.start('--appendonly', 'yes')
    const services: Service[] = []
    const start = async () => {
      const env = { REDIS_URL: buckets.url, CONFIG_REDIS_URL: config.url, WEB_CONCURRENCY: '1' }
      const service = await Service.start({ env })
      services.push(service)
      return service
    }
    const expectWarnings = (service: Service) =>
      eventually(() =>
        expect(risksOf(service)).toEqual(['may evict what was spent of quotas', 'keeps nothing on disk']),
      )
    try {
      const first = await start()
      const client = new Client(first.url)
      await client.put('a', SLOW)
      expect(risksOf(first)).toEqual([])
      await client.put('b', QUOTA)
      await client.put('c', QUOTA)
      await expectWarnings(first)
      await first.stop()
      await expectWarnings(await start())
    } finally {
      await Promise.all(services.map(service => service.stop()))
      await Promise.all([buckets.stop(), config.stop()])
    }
  })
})

describeWithRedis('a store that may evict policies and keeps nothing on disk', () => {
  it('causes one warning for each of the two', async () => {
    const redis = await RedisServer.start('--maxmemory-policy', 'allkeys-lru')
    try {
      // A service whose store does not answer in time starts without, and finds no risk.
      const service = await eventually(async () => {
        const started = await Service.start({ env: { REDIS_URL: redis.url } })
        await started.stop()
        expect(started.output.join('\n')).not.toContain('a store is unavailable')
        return started
      })
      expect(risksOf(service)).toEqual(['may evict policies', 'keeps nothing on disk'])
    } finally {
      await redis.stop()
    }
  })
})
