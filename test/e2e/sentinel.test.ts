import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { CheckLoad, expectInTime, reportFigures, summarize } from '../support/check-load.ts'
import { Client } from '../support/client.ts'
import { describeWithRedis } from '../support/describe-with-redis.ts'
import { eventually } from '../support/eventually.ts'
import { promised } from '../support/promised.ts'
import { itGivesTheTour } from '../support/readme.ts'
import { SentinelSet } from '../support/sentinel-set.ts'
import { Service } from '../support/service.ts'
import { failToStart } from '../support/start-failure.ts'

const SENTINEL_PASSWORD = 'w4tch'
const RATE_PER_SECOND = process.env['TEST_LONG'] === undefined ? 200 : 1_000

/** A worker finds within 3 s that its connection hangs; the rest is for the new connection and the change itself. */
const WORKER_RECOVERS_WITHIN_MS = promised(5_000)

describeWithRedis('a Redis that Sentinels watch', () => {
  let sentinels: SentinelSet
  let service: Service
  let client: Client
  let env: Record<string, string>
  beforeAll(async () => {
    sentinels = await SentinelSet.start()
    env = { REDIS_URL: sentinels.url }
    service = await Service.start({ env })
    client = new Client(service.url)
  })
  afterAll(async () => {
    await service.stop()
    await sentinels.stop()
  })

  itGivesTheTour(() => service)

  it('is refused at the start with a name that the Sentinels do not know', async () => {
    const { code, said } = await failToStart('worker', { REDIS_URL: `redis+sentinel://${sentinels.hosts}/other` })
    expect([code, said]).toEqual([
      1,
      expect.stringMatching(/REDIS_URL names a master "other" that the Sentinel at .* does not know; it knows main$/m),
    ])
  })

  it('is refused at the start if there is no Sentinel', async () => {
    const { port } = sentinels.master
    const { code, said } = await failToStart('api', { REDIS_URL: `redis+sentinel://127.0.0.1:${port}/main` })
    expect([code, said]).toEqual([1, expect.stringContaining(`REDIS_URL has no Sentinel at 127.0.0.1:${port}`)])
  })

  it('is refused at the start if a redis:// URL has the address of a Sentinel', async () => {
    const [sentinel = ''] = sentinels.hosts.split(',')
    const { code, said } = await failToStart('api', { REDIS_URL: `redis://${sentinel}` })
    expect([code, said]).toEqual([
      1,
      expect.stringContaining(`REDIS_URL is a sentinel server at ${sentinel}; use redis+sentinel://`),
    ])
  })

  it('fails over under load: checks are answered in time, and no change is lost that the replica had', async () => {
    const replica = new Redis(sentinels.replica.url)
    const master = new Redis(sentinels.master.url)
    for (const version of [1, 2, 3]) await client.put('kept:*', { capacity: 1_000 + version, refillTokens: 1 })
    await master.wait(1, 5_000)
    master.disconnect()

    const keyOf = (i: number) => `kept:${i % 500}`
    const load = new CheckLoad({ urls: [service.url], ratePerSecond: RATE_PER_SECOND, keyOf })
    await load.runsFor(500)
    const killedAt = performance.now()
    await sentinels.master.kill()
    await eventually(async () => expect(await replica.role()).toContain('master'))
    const newMasterAt = performance.now()
    await load.runsFor(2_000)
    const samples = await load.stop()
    replica.disconnect()

    reportFigures('failover by Sentinel', samples, newMasterAt)
    expect(summarize(samples).errors).toBe(0)
    expect(summarize(samples.filter(({ at }) => at > killedAt && at < newMasterAt)).bySource).toHaveProperty('local')
    expectInTime(samples, newMasterAt)

    await eventually(async () => {
      const { body } = await client.get('/config/kept%3A*')
      expect(body).toMatchObject({ version: 3, limits: [{ capacity: 1_003 }] })
    })
    await eventually(async () => expect((await client.put('after', { capacity: 1, refillTokens: 1 })).status).toBe(201))
    await eventually(async () => {
      expect((await client.check('after', 0)).body).toMatchObject({ policy: 'after', source: 'redis' })
    })
  })
})

describeWithRedis('a master that Sentinels replace although it runs', () => {
  it('gets no more changes, and a key keeps its limit', async () => {
    const sentinels = await SentinelSet.start()
    const service = await Service.start({ env: { REDIS_URL: sentinels.url } })
    const client = new Client(service.url)
    const master = new Redis(sentinels.master.url)
    try {
      await client.put('limited:*', { capacity: 50, refillTokens: 1, refillIntervalMs: 86_400_000 })
      await master.wait(1, 5_000)
      await sentinels.failOver()
      await eventually(async () => expect(await master.client('LIST')).not.toContain('name=throttler'))
      expect(await master.role()).toContain('master')

      const keys = Array.from({ length: 10 }, (_, i) => `k${i}`)
      for (const key of keys) {
        await eventually(async () =>
          expect((await client.put(key, { capacity: 1, refillTokens: 1 })).body).toMatchObject({ version: 1 }),
        )
      }
      const answers = await Promise.all(Array.from({ length: 60 }, () => client.check('limited:a')))
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(50)

      await sentinels.demoted()
      for (const key of keys) expect((await client.get(`/config/${key}`)).status).toBe(200)
    } finally {
      master.disconnect()
      await service.stop()
      await sentinels.stop()
    }
  })
})

describeWithRedis('a master that hangs, and that Sentinels replace', () => {
  let sentinels: SentinelSet
  let service: Service
  let replica: Redis
  beforeAll(async () => {
    sentinels = await SentinelSet.start()
    replica = new Redis(sentinels.replica.url)
    service = await Service.start({ env: { REDIS_URL: sentinels.url, WEB_CONCURRENCY: '1' } })
  })
  afterAll(async () => {
    await service.stop()
    replica.disconnect()
    await sentinels.stop()
  })

  it('delays changes by at most a few seconds more than the failover', async () => {
    const client = new Client(service.url)
    expect((await client.put('before', { capacity: 1, refillTokens: 1 })).status).toBe(201)
    sentinels.master.signal('SIGSTOP')
    await eventually(async () => expect(await replica.role()).toContain('master'))
    const newMasterAt = performance.now()
    const put = async () => expect((await client.put('after', { capacity: 1, refillTokens: 1 })).status).toBe(201)
    await eventually(put)
    expect(performance.now() - newMasterAt).toBeLessThan(WORKER_RECOVERS_WITHIN_MS)
  })
})

describeWithRedis('Sentinels with a password', () => {
  let sentinels: SentinelSet
  beforeAll(async () => {
    sentinels = await SentinelSet.start(SENTINEL_PASSWORD)
  })
  afterAll(() => sentinels.stop())

  it('accept a service that has it', async () => {
    const service = await Service.start({ env: { REDIS_URL: sentinels.url, SENTINEL_PASSWORD } })
    expect((await new Client(service.url).check('x')).body.source).toBe('redis')
    await service.stop()
  })

  it.each([
    [{}, /NOAUTH/],
    [{ SENTINEL_PASSWORD: 'hunter2' }, /WRONGPASS/],
  ])('refuse a service with %j', async (variables, reason) => {
    const { code, said } = await failToStart('api', { REDIS_URL: sentinels.url, ...variables })
    expect([code, said]).toEqual([1, expect.stringMatching(reason)])
    expect(said).not.toContain('hunter2')
  })
})
