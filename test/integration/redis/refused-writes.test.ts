import { rm } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { TestApp } from '../../support/app.ts'
import { describeWithRedis } from '../../support/describe-with-redis.ts'
import { eventually } from '../../support/eventually.ts'
import { RedisServer } from '../../support/redis-server.ts'
import { expectProblem } from '../http/expect-problem.ts'

const HEALTH_INTERVAL_MS = 260

type Admin = (server: RedisServer, redis: Redis) => Promise<unknown>

/** Ways to make a server refuse writes while it can still be read, and to make it accept them again. */
const REFUSALS: [reason: string, refuse: Admin, accept: Admin][] = [
  [
    'out-of-memory',
    (_, redis) => redis.config('SET', 'maxmemory', '1'),
    (_, redis) => redis.config('SET', 'maxmemory', '0'),
  ],
  ['read-only', (_, redis) => redis.replicaof('127.0.0.1', 1), (_, redis) => redis.replicaof('NO', 'ONE')],
  [
    'too-few-replicas',
    (_, redis) => redis.config('SET', 'min-replicas-to-write', '1'),
    (_, redis) => redis.config('SET', 'min-replicas-to-write', '0'),
  ],
  [
    'cannot-persist',
    async ({ directory }, redis) => {
      await redis.config('SET', 'save', '3600 1')
      await rm(directory, { recursive: true })
      await redis.bgsave()
    },
    (_, redis) => redis.config('SET', 'save', ''),
  ],
]

describeWithRedis('a store that refuses writes', () => {
  let bucketServer: RedisServer
  let configServer: RedisServer
  let app: TestApp
  beforeEach(async () => {
    bucketServer = await RedisServer.start()
    configServer = await RedisServer.start()
    const variables = {
      REDIS_URL: bucketServer.url,
      CONFIG_REDIS_URL: configServer.url.replace('//', '//default:any@'),
      LOG_LEVEL: 'silent',
    }
    app = await TestApp.start({ url: bucketServer.url, stop: async () => undefined }, { variables })
  })
  afterEach(async () => {
    await app.close()
    await bucketServer.stop()
    await configServer.stop()
  })

  async function expectReason(server: RedisServer, [reason, refuse, accept]: (typeof REFUSALS)[number], down: object) {
    const redis = new Redis(server.url)
    const health = async () => (await app.client.get('/health')).body
    await refuse(server, redis)
    await eventually(async () => expect(await health()).toMatchObject({ status: 'degraded', ...down, reason }))
    // Each of these requests asks the stores again.
    for (let i = 0; i < 5; i++) {
      await sleep(HEALTH_INTERVAL_MS)
      expect(await health()).toMatchObject({ ...down, reason })
    }
    await accept(server, redis)
    await eventually(async () => expect(await health()).toMatchObject({ status: 'ok' }))
    redis.disconnect()
  }

  it.each(REFUSALS)('for policies is down in /health, with the reason %s', (...refusal) =>
    expectReason(configServer, refusal, { store: 'up', configStore: 'down' }),
  )

  it.each(REFUSALS)('for policies refuses changes, with the reason %s', async (reason, refuse, accept) => {
    const redis = new Redis(configServer.url)
    await refuse(configServer, redis)
    await eventually(async () => {
      const answer = await app.client.put('k', { capacity: 1, refillTokens: 1 })
      expectProblem(answer, 503, 'config-store-unavailable')
      expect(answer.body.detail).toBe(`the policy store is unavailable; try again (reason: ${reason})`)
      expect(answer.headers.get('retry-after')).toBe('1')
    })
    await accept(configServer, redis)
    await eventually(async () => expect((await app.client.get('/health')).body).toMatchObject({ status: 'ok' }))
    redis.disconnect()
  })

  it.each(REFUSALS)('for buckets is down in /health, with the reason %s', (...refusal) =>
    expectReason(bucketServer, refusal, { store: 'down', configStore: 'up' }),
  )

  it('for policies is down in /health while its user may not run a command that changes need', async () => {
    const redis = new Redis(configServer.url)
    const health = async () => (await app.client.get('/health')).body
    const down = { status: 'degraded', store: 'up', configStore: 'down', reason: 'not-authorized' }
    for (const command of ['xadd', 'hset', 'hmset', 'lpush', 'evalsha']) {
      await redis.call('ACL', 'SETUSER', 'default', `-${command}`)
      await eventually(async () => expect(await health()).toMatchObject(down))
      await redis.call('ACL', 'SETUSER', 'default', `+${command}`)
      await eventually(async () => expect(await health()).toMatchObject({ status: 'ok' }))
    }
    redis.disconnect()
  })
})

describeWithRedis('a policy store that has another name for a command', () => {
  it('is down, since changes need it, although it accepts writes', async () => {
    const server = await RedisServer.start('--rename-command', 'XRANGE', 'OTHER')
    const variables = { REDIS_URL: server.url.replace('//', '//default:any@'), LOG_LEVEL: 'silent' }
    const app = await TestApp.start({ url: server.url, stop: () => server.stop() }, { variables })
    try {
      const { body } = await app.client.get('/health')
      expect(body).toMatchObject({ status: 'degraded', store: 'up', configStore: 'down', reason: 'refused' })
    } finally {
      await app.close()
    }
  })
})
