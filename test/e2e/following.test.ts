import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { runThrottler } from '../support/cli.ts'
import { Client } from '../support/client.ts'
import { describeWithRedis } from '../support/describe-with-redis.ts'
import { eventually } from '../support/eventually.ts'
import { promised } from '../support/promised.ts'
import { RedisServer } from '../support/redis-server.ts'
import { Service } from '../support/service.ts'

/** The bound of docs/consistency.md, plus time for the test. */
const BOUND_MS = promised(2_000 + 3_000)
const FROZEN_MS = 5_000

const KEYS = ['a', 'b', 'c', 'd', 'e', 'f:*', 'g:*', 'h']
const policy = (capacity: number) => ({ capacity, refillTokens: 1, mode: 'off' })

describeWithRedis('every front process', () => {
  let redis: RedisServer
  let admin: Redis
  let services: Service[]
  /** Two instances with one front process each, so that each process can be asked. */
  let fronts: Client[]
  let capacity: number

  beforeAll(async () => {
    redis = await RedisServer.start('--appendonly', 'yes')
  })
  afterAll(() => redis.stop())
  beforeEach(async () => {
    admin = new Redis(redis.url)
    await admin.flushall()
    capacity = 0
    const env = { REDIS_URL: redis.url, WEB_CONCURRENCY: '1' }
    services = await Promise.all([
      Service.start({ kind: 'api', env }),
      Service.start({ kind: 'api', env }),
      Service.start({ kind: 'worker', env: { REDIS_URL: redis.url } }),
    ])
    fronts = services.slice(0, 2).map(({ url }) => new Client(url))
  })
  afterEach(async () => {
    admin.disconnect()
    await Promise.all(services.map(service => service.stop()))
  })

  /** Changes every key once, without waiting; some keys are deleted now and then. */
  async function change(client = fronts[0] as Client): Promise<void> {
    capacity++
    const answers = await Promise.all(
      KEYS.map((key, i) =>
        (i + capacity) % 7 === 0
          ? client.request('DELETE', `/config/${key}`)
          : client.request('PUT', `/config/${key}`, policy(capacity)),
      ),
    )
    expect(answers.map(({ status }) => status)).toEqual(KEYS.map(() => 202))
  }

  /** Expects that every front process enforces the policies in the store. */
  async function agree(): Promise<void> {
    const stored = await Promise.all(KEYS.map(key => fronts[0]?.get(`/config/${key}`)))
    const expected = stored.map(answer => (answer?.status === 200 ? answer.body.version : 0))
    const checks = KEYS.map(key => ({ key: key.replace('*', '1'), tokens: 0 }))
    for (const front of fronts) {
      const { body } = await front.request('POST', '/check/batch', { checks })
      expect(body.results.map(({ policyVersion }: { policyVersion: number }) => policyVersion)).toEqual(expected)
    }
  }

  /** Resolves once every command has ended. A command may end again if its worker was so slow that it is delivered twice. */
  const idle = () =>
    eventually(() => {
      const ended = services[2]?.output.filter(line => line.includes('command ended')) ?? []
      const ids = new Set(ended.map(line => JSON.parse(line).commandId))
      expect(ids.size).toBe(capacity * KEYS.length)
    })

  const saysReload = (line: string) => line.includes('the log was replaced: reloading')

  it('agrees with the log within 2 s, however often its subscription is cut', async () => {
    for (let i = 0; i < 30; i++) {
      await change(fronts[i % 2])
      await admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
    }
    await idle()
    await eventually(agree, BOUND_MS)
    expect(services.flatMap(({ output }) => output).filter(saysReload)).toEqual([])
    expect(await runThrottler(['verify'], { REDIS_URL: redis.url })).toMatchObject({ code: 0 })
  })

  it('agrees with the log 2 s after it was frozen for 5 s', async () => {
    await change()
    const [frozen = 0] = services[1]?.pidsOf('throttler front') ?? []
    process.kill(frozen, 'SIGSTOP')
    const thawAt = performance.now() + FROZEN_MS
    while (performance.now() < thawAt) {
      await change()
      await sleep(100)
    }
    await idle()
    process.kill(frozen, 'SIGCONT')
    await eventually(agree, BOUND_MS)
  })

  it('forgets every policy within 2 s when the store is flushed, logs that, and accepts new ones', async () => {
    await change()
    await idle()
    await eventually(agree, BOUND_MS)
    await admin.flushall()
    await eventually(agree, BOUND_MS)
    for (const { output } of services.slice(0, 2)) expect(output.filter(saysReload)).not.toEqual([])
    const { body } = (await fronts[0]?.put('a', policy(5))) ?? {}
    expect(body).toMatchObject({ version: 1 })
    await eventually(agree, BOUND_MS)
  })

  it('returns to an older append-only file within 2 s after it was restored, and logs that', async () => {
    await change()
    await idle()
    await redis.keepCopy()
    await change()
    await idle()
    await eventually(agree, BOUND_MS)
    const before = await fronts[0]?.get('/config')
    await redis.kill()
    await redis.restoreCopy()
    await redis.restart()
    await eventually(agree, BOUND_MS)
    expect((await fronts[0]?.get('/config'))?.body).not.toEqual(before?.body)
    for (const { output } of services.slice(0, 2)) expect(output.filter(saysReload)).not.toEqual([])
  })
})
