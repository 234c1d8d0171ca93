import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { Client } from '../support/client.ts'
import { describeWithRedis } from '../support/describe-with-redis.ts'
import { eventually } from '../support/eventually.ts'
import { RedisServer } from '../support/redis-server.ts'
import { Service } from '../support/service.ts'
import { StoreProxy } from '../support/store-proxy.ts'

const PROCESSES = 2
const POLLERS = 16
const STALLS = process.env['TEST_LONG'] === undefined ? 12 : 120
/** A little more than `REDIS_TIMEOUT_MS`. */
const STALL_MS = 130

describeWithRedis('/health', () => {
  let redis: RedisServer
  let api: Service
  let client: Client
  beforeAll(async () => {
    redis = await RedisServer.start()
    api = await Service.start({
      kind: 'api',
      env: { REDIS_URL: redis.url, REDIS_TIMEOUT_MS: '100', WEB_CONCURRENCY: String(PROCESSES) },
    })
    client = new Client(api.url)
  })
  afterAll(async () => {
    await api.stop()
    await redis.stop()
  })

  /** Polls on many connections while something else happens. Resolves with the number of answers. */
  async function whilePolled(act: () => Promise<void>): Promise<number> {
    let isOver = false
    let answers = 0
    const poll = async () => {
      const poller = new Client(api.url)
      for (; !isOver; answers++) expect((await poller.get('/health')).status).toBe(200)
    }
    const pollers = Array.from({ length: POLLERS }, poll)
    await act()
    isOver = true
    await Promise.all(pollers)
    return answers
  }

  it('opens no circuit, however often it is requested while Redis stalls', async () => {
    const from = api.output.length
    await whilePolled(async () => {
      for (let i = 0; i < STALLS; i++) {
        redis.signal('SIGSTOP')
        await sleep(STALL_MS)
        redis.signal('SIGCONT')
        await sleep(STALL_MS)
      }
    })
    expect(api.output.slice(from).filter(line => line.includes('the circuit is open'))).toEqual([])
  })

  it('asks the stores at most four times a second, however often it is requested', async () => {
    const admin = new Redis(redis.url)
    const asked = async () => {
      const stats = await admin.info('commandstats')
      const calls = (command: string) => Number(new RegExp(`cmdstat_${command}:calls=([0-9]+)`).exec(stats)?.[1] ?? 0)
      return { scripts: calls('eval') + calls('evalsha'), pings: calls('ping') }
    }
    const start = performance.now()
    const before = await asked()
    const answers = await whilePolled(() => sleep(2_000))
    const after = await asked()
    admin.disconnect()
    const most = PROCESSES * (4 * ((performance.now() - start) / 1_000) + 1)
    expect(after.scripts - before.scripts).toBeLessThanOrEqual(most)
    // The subscriber of each process sends a ping each second.
    expect(after.pings - before.pings).toBeLessThanOrEqual(1.5 * most)
    expect(answers).toBeGreaterThan(POLLERS)
  })

  it('is answered soon while Redis hangs, with the reason', async () => {
    redis.signal('SIGSTOP')
    await eventually(async () => {
      const start = performance.now()
      const { body } = await client.get('/health')
      expect(performance.now() - start).toBeLessThan(1_500)
      expect(body).toMatchObject({ status: 'degraded', store: 'down', configStore: 'down', circuit: 'closed' })
      expect(body.reason).toMatch(/timeout|connection-lost/)
    })
    redis.signal('SIGCONT')
    await eventually(async () => {
      const { body } = await client.get('/health')
      expect(body).toEqual({
        status: 'ok',
        version: expect.any(String),
        uptimeSeconds: expect.any(Number),
        store: 'up',
        configStore: 'up',
        circuit: 'closed',
      })
    })
  })
})

describeWithRedis('a policy store of its own', () => {
  let policies: RedisServer
  let proxy: StoreProxy
  let admin: Redis
  let api: Service
  let client: Client
  beforeAll(async () => {
    policies = await RedisServer.start()
    proxy = await StoreProxy.start(policies.url)
    admin = new Redis(policies.url)
    api = await Service.start({ env: { REDIS_URL: policies.url, CONFIG_REDIS_URL: proxy.url } })
    client = new Client(api.url)
  })
  afterAll(async () => {
    await api?.stop()
    admin?.disconnect()
    await proxy?.stop()
    await policies?.stop()
  })

  const seen = async () => {
    const [{ body }, { text: metrics }] = await Promise.all([client.get('/health'), client.get('/metrics')])
    return { state: body.configStore, metric: /^throttler_config_store_up (.*)$/m.exec(metrics)?.[1], metrics }
  }

  it('is up although it is too far away for checks', async () => {
    proxy.latencyMs = 75
    await client.put('far', { capacity: 1 })
    const noJobWaits = 'throttler_queue_jobs{state="waiting"} 0'
    // The first scrape opens the queues, which takes some round trips. On a busy machine, it gives up before.
    await eventually(async () => expect((await seen()).metrics).toContain(noJobWaits))
    for (let i = 0; i < 4; i++) {
      const { metrics, ...found } = await seen()
      expect(found).toEqual({ state: 'up', metric: '1' })
      expect(metrics).toContain(noJobWaits)
      await sleep(300)
    }
    proxy.latencyMs = 0
  })

  it('is down while it can only be read, for /health and for /metrics', async () => {
    await admin.config('SET', 'min-replicas-to-write', '1')
    await eventually(async () => expect(await seen()).toMatchObject({ state: 'down', metric: '0' }))
    await admin.config('SET', 'min-replicas-to-write', '0')
    await eventually(async () => expect(await seen()).toMatchObject({ state: 'up', metric: '1' }))
  })
})
