import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { Client } from '../support/client.ts'
import { describeWithRedis, RedisServer } from '../support/redis-server.ts'
import { Service } from '../support/service.ts'

const IS_LONG = process.env['TEST_LONG'] !== undefined
const HAMMERING_MS = IS_LONG ? 10_000 : 1_500
const PROCESSES = IS_LONG ? 4 : 2
const CALLERS = IS_LONG ? 200 : 64

describeWithRedis('limits over two apis with several processes each', () => {
  let redis: RedisServer
  /** Apart, so that only checks are counted where the buckets are. */
  let configRedis: RedisServer
  let admin: Redis
  let services: readonly Service[]
  let clients: readonly Client[]

  beforeAll(async () => {
    redis = await RedisServer.start()
    configRedis = await RedisServer.start()
    admin = new Redis(redis.url)
    const env = {
      REDIS_URL: redis.url,
      CONFIG_REDIS_URL: configRedis.url,
      WEB_CONCURRENCY: String(PROCESSES),
      LOG_LEVEL: 'info',
    }
    services = await Promise.all([
      Service.start({ kind: 'api', env }),
      Service.start({ kind: 'api', env }),
      Service.start({ kind: 'worker', env }),
    ])
    clients = services.slice(0, 2).map(({ url }) => new Client(url))
  }, 60_000)
  afterAll(async () => {
    admin.disconnect()
    await Promise.all(services.map(service => service.stop()))
    await Promise.all([redis.stop(), configRedis.stop()])
  })

  const clientOf = (caller: number) => clients[caller % clients.length] as Client

  /** The store's clock, ms. */
  async function storeTime(): Promise<number> {
    const [seconds, microseconds] = (await admin.time()).map(Number) as [number, number]
    return seconds * 1000 + Math.floor(microseconds / 1000)
  }

  /** Waits until a policy is obeyed by everybody; nothing is spent. */
  async function policyIs(key: string, policy: unknown): Promise<void> {
    await clientOf(0).put(key, policy)
    await sleep(1_000)
  }

  it('admit exactly what one key may have, however hard it is hammered', async () => {
    const [capacity, perSecond] = [100, 50]
    await policyIs('hammered', { capacity, refillTokens: perSecond, refillIntervalMs: 1_000 })
    const from = await storeTime()
    const end = performance.now() + HAMMERING_MS
    let allowed = 0
    const hammer = async (caller: number) => {
      while (performance.now() < end) {
        const { status } = await clientOf(caller).check('hammered')
        if (status === 200) allowed++
        else expect(status).toBe(429)
      }
    }
    await Promise.all(Array.from({ length: CALLERS }, (_, caller) => hammer(caller)))
    const elapsedMs = (await storeTime()) - from
    expect(allowed).toBeLessThanOrEqual(capacity + Math.floor((perSecond * elapsedMs) / 1_000))
    // Callers stop up to a remembered denial before the clock is read.
    expect(allowed).toBeGreaterThanOrEqual(capacity + Math.floor((perSecond * (HAMMERING_MS - 200)) / 1_000))
  })

  it('let the only caller pass who waits exactly retryAfterMs', async () => {
    await policyIs('waiting', { capacity: 1, refillTokens: 1, refillIntervalMs: 300 })
    const client = clientOf(0)
    expect((await client.check('waiting')).status).toBe(200)
    for (let i = 0; i < 5; i++) {
      const { body } = await client.check('waiting')
      const receivedAt = performance.now()
      expect(body.retryAfterMs).toBeGreaterThan(0)
      while (performance.now() < receivedAt + body.retryAfterMs) await sleep(1)
      expect((await client.check('waiting')).status).toBe(200)
    }
  })

  it('let nobody pass before that, however often it is asked', async () => {
    await policyIs('impatient', { capacity: 1, refillTokens: 1, refillIntervalMs: 300 })
    const admissions: { after: number; by: number }[] = []
    while (admissions.length < 5) {
      const after = await storeTime()
      const { status } = await clientOf(0).check('impatient')
      if (status === 200) admissions.push({ after, by: await storeTime() })
    }
    const gaps = admissions.slice(1).map(({ by }, i) => by - (admissions[i]?.after ?? 0))
    for (const gap of gaps) expect(gap).toBeGreaterThanOrEqual(300)
  })

  it('allow a drained key again everywhere within a second of its reset', async () => {
    await policyIs('drained', { capacity: 20, refillTokens: 1, refillIntervalMs: 1_000_000 })
    const statuses = await Promise.all(Array.from({ length: 60 }, (_, i) => clientOf(i).check('drained')))
    expect(statuses.filter(({ status }) => status === 200)).toHaveLength(20)
    expect((await clientOf(1).request('DELETE', '/buckets/drained')).status).toBe(204)
    await sleep(1_000)
    const again = await Promise.all(Array.from({ length: 20 }, (_, i) => clientOf(i).check('drained')))
    expect(again.map(({ status }) => status)).toEqual(Array(20).fill(200))
  })

  it('cost Redis one call a process and second for a flood on a denied key', async () => {
    await policyIs('flooded', { capacity: 1, refillTokens: 1, refillIntervalMs: 2_000_000_000 })
    const flood = async (caller: number, end: number) => {
      while (performance.now() < end) await clientOf(caller).check('flooded')
    }
    const floodFor = (ms: number) =>
      Promise.all(Array.from({ length: CALLERS }, (_, caller) => flood(caller, performance.now() + ms)))
    await floodFor(300)
    const before = await scriptCalls()
    const start = performance.now()
    await floodFor(3_000)
    const seconds = (performance.now() - start) / 1_000
    // Each process may have asked just before and just after the seconds that were counted.
    const processes = 2 * PROCESSES
    expect((await scriptCalls()) - before).toBeLessThanOrEqual(processes * (Math.ceil(seconds) + 1))
  })

  async function scriptCalls(): Promise<number> {
    const stats = await admin.info('commandstats')
    return Number(/cmdstat_evalsha:calls=(\d+)/.exec(stats)?.[1] ?? 0)
  }
})
