import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { type Answer, Client } from '../support/client.ts'
import { describeWithRedis } from '../support/describe-with-redis.ts'
import { eventually } from '../support/eventually.ts'
import { obeyedByAll } from '../support/obeyed.ts'
import { RedisServer } from '../support/redis-server.ts'
import { Service } from '../support/service.ts'

const HUNDRED_AND_ONE_AN_HOUR = { capacity: 100, refillTokens: 1, refillIntervalMs: 3_600_000 }
/** Who ask at the same time, so that every process is asked. */
const CALLERS = 16

describeWithRedis('four processes on two machines while Redis is away', () => {
  let redis: RedisServer
  let configRedis: RedisServer
  let services: readonly Service[]
  let clients: readonly Client[]

  beforeAll(async () => {
    redis = await RedisServer.start()
    configRedis = await RedisServer.start()
    const env = { REDIS_URL: redis.url, CONFIG_REDIS_URL: configRedis.url, WEB_CONCURRENCY: '2' }
    services = await Promise.all([
      Service.start({ kind: 'api', env }),
      Service.start({ kind: 'api', env }),
      Service.start({ kind: 'worker', env }),
    ])
    clients = services.slice(0, 2).map(({ url }) => new Client(url))
    await clients[0]?.put('hourly:*', HUNDRED_AND_ONE_AN_HOUR)
    await obeyedByAll(clients, 'hourly:x', 'hourly:*')
    const admin = new Redis(redis.url)
    await eventually(async () => expect(await admin.zcard('{throttler:fronts}')).toBe(4))
    admin.disconnect()
    // Every process has heard of all the others once each has beaten again.
    await sleep(2_500)
  }, 60_000)
  afterAll(async () => {
    await Promise.all(services.map(service => service.stop()))
    await Promise.all([redis.stop(), configRedis.stop()])
  }, 30_000)

  async function admittedOf(checks: number, key: string, tokens = 1): Promise<number> {
    const answers: Answer[] = []
    let asked = 0
    const callers = Array.from({ length: CALLERS }, async (_, i) => {
      const client = clients[i % clients.length] as Client
      while (asked++ < checks) answers.push(await client.check(key, tokens))
    })
    await Promise.all(callers)
    expect(answers.filter(({ status }) => status !== 200 && status !== 429)).toEqual([])
    return answers.filter(({ status }) => status === 200).length
  }

  it('admit the limit, and at most four more, beyond what Redis had admitted', async () => {
    expect(await admittedOf(30, 'hourly:a')).toBe(30)
    await redis.kill()
    const admitted = await admittedOf(400, 'hourly:a')
    expect(admitted).toBeGreaterThanOrEqual(100)
    expect(admitted + (await admittedOf(400, 'hourly:a'))).toBeLessThanOrEqual(104)
  }, 30_000)

  it('admit a check that is larger than a share once, from a full bucket, and go into debt for it', async () => {
    const admitted = await admittedOf(100, 'hourly:b', 60)
    expect(admitted).toBeGreaterThanOrEqual(2)
    expect(admitted).toBeLessThanOrEqual(4)
    const { body } = (await clients[0]?.check('hourly:b', 1)) ?? {}
    expect(body).toMatchObject({ source: 'local', degraded: true })
  }, 30_000)

  it('count nothing of that when Redis is back', async () => {
    await redis.restart()
    for (const client of clients) {
      await eventually(async () => expect((await client.check('hourly:a', 0)).body.source).toBe('redis'))
    }
    expect((await clients[0]?.check('hourly:a', 0))?.body).toMatchObject({ source: 'redis', remaining: 100 })
  }, 30_000)
})
