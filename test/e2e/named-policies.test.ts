import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { type Answer, Client } from '../support/client.ts'
import { describeWithRedis } from '../support/describe-with-redis.ts'
import { eventually } from '../support/eventually.ts'
import { promised } from '../support/promised.ts'
import { RedisServer } from '../support/redis-server.ts'
import { Service } from '../support/service.ts'
import { StoreProxy } from '../support/store-proxy.ts'

/** Time in ms that a check waits for a store in the tests of a store that fails, less than until the store counts as hung. */
const TIMEOUT_MS = 900
/** The same in the other tests, long enough for a busy machine. */
const PATIENT_TIMEOUT_MS = 5_000
/** So many that a read for each would be noticed. */
const LEAST_ASKED = 300
const POLICY = { capacity: 1_000, refillTokens: 1, refillIntervalMs: 1_000_000 }

describeWithRedis('a policy that callers name', () => {
  let redis: RedisServer
  let admin: Redis
  /** In front of the policies of the second process only. It loses announcements, so this process reads its logs once a second. */
  let proxy: StoreProxy
  let services: Service[]
  let first: Client
  let second: Client

  beforeAll(async () => {
    redis = await RedisServer.start()
    admin = new Redis(redis.url)
  })
  afterAll(async () => {
    admin.disconnect()
    await redis.stop()
  })
  beforeEach(async () => {
    await admin.flushall()
    proxy = await StoreProxy.start(redis.url)
    proxy.losesAnnouncements = true
  })
  afterEach(async () => {
    await Promise.all(services.map(service => service.stop()))
    await proxy.stop()
  })

  async function startServices(timeoutMs: number): Promise<void> {
    const env = {
      REDIS_URL: redis.url,
      WEB_CONCURRENCY: '1',
      REDIS_TIMEOUT_MS: String(timeoutMs),
      EVENT_LOOP_LAG_MS: '10000',
    }
    services = await Promise.all([
      Service.start({ kind: 'api', env }),
      Service.start({ kind: 'api', env: { ...env, CONFIG_REDIS_URL: proxy.url } }),
      Service.start({ kind: 'worker', env: { REDIS_URL: redis.url } }),
    ])
    first = new Client((services[0] as Service).url)
    second = new Client((services[1] as Service).url)
  }

  const check = (client: Client, policy: string, tokens = 1): Promise<Answer> =>
    client.request('POST', '/check', { key: 'user:42', policy, tokens })

  async function timed(ask: () => Promise<Answer>): Promise<{ code: string; ms: number }> {
    const startMs = performance.now()
    const { body } = await ask()
    return { code: body.code, ms: performance.now() - startMs }
  }

  it('is known to every process as soon as one has answered its change, and unknown once it is deleted', async () => {
    await startServices(PATIENT_TIMEOUT_MS)
    // Few enough that a second holds a read for each.
    for (let i = 0; i < 6; i++) {
      expect((await first.put(`plan:${i}`, POLICY)).status).toBe(201)
      const { body } = await check(second, `plan:${i}`)
      expect(body).toMatchObject({ allowed: true, policy: `plan:${i}`, policyVersion: 1, remaining: 999 - i })
    }
    await first.put('plan:batched', POLICY)
    const checks = [{ key: 'user:42' }, { key: 'user:42', policy: 'plan:batched' }, { key: 'user:42', policy: 'gone' }]
    const batch = await second.request('POST', '/check/batch', { checks })
    expect(batch.body.results).toMatchObject([
      { policy: 'default' },
      { policy: 'plan:batched' },
      { status: 400, code: 'policy-unknown' },
    ])
    await first.put('plan:shown', POLICY)
    expect((await second.get('/buckets/user%3A42?policy=plan%3Ashown')).body.definition.policy).toBe('plan:shown')
    await first.delete('plan:shown')
    expect((await check(first, 'plan:shown')).body.code).toBe('policy-unknown')
  })

  it('that is unknown costs the policy store at most ten reads a second, however often it is named', async () => {
    await startServices(PATIENT_TIMEOUT_MS)
    const before = await readsOf(admin)
    const startMs = performance.now()
    let asked = 0
    const askOn = async () => {
      for (; performance.now() < startMs + 2_000 || asked < LEAST_ASKED; asked++) {
        expect((await check(second, 'plan:gone')).body.code).toBe('policy-unknown')
      }
    }
    await Promise.all([askOn(), askOn(), askOn(), askOn()])
    const reads = (await readsOf(admin)) - before
    const seconds = (performance.now() - startMs) / 1_000
    // Both processes also read each of four logs once a second, and at the ends of the span once more.
    const regular = 2 * 4 * (seconds + 2)
    expect(reads).toBeLessThanOrEqual(10 * (seconds + 1) + regular)
  })

  /** One of several checks may be late on a busy machine. */
  const expectKnownDecides = () =>
    eventually(async () => {
      expect((await check(second, 'plan:known')).body).toMatchObject({ policy: 'plan:known', source: 'redis' })
    })

  /** One of several answers may be late on a busy machine. If checks wait for the store, all of them are. */
  const expectRefusedAtOnce = () =>
    eventually(async () => {
      const refused = await timed(() => check(second, 'plan:gone'))
      expect(refused.code).toBe('policy-unknown')
      expect(refused.ms).toBeLessThan(TIMEOUT_MS / 2)
    })

  it('that is unknown is refused within REDIS_TIMEOUT_MS while the policy store hangs, and then at once', async () => {
    await startServices(TIMEOUT_MS)
    await first.put('plan:known', POLICY)
    await expectKnownDecides()
    void proxy.hold('xrange')
    const waited = await timed(() => check(second, 'plan:gone'))
    expect(waited.code).toBe('policy-unknown')
    expect(waited.ms).toBeGreaterThan(TIMEOUT_MS - 50)
    expect(waited.ms).toBeLessThan(promised(TIMEOUT_MS + 200))
    await expectRefusedAtOnce()
    await expectKnownDecides()
    proxy.release()
  })

  it('that is unknown is refused at once while the policy store is unavailable; a known one still decides', async () => {
    await startServices(TIMEOUT_MS)
    await first.put('plan:known', POLICY)
    await expectKnownDecides()
    proxy.cut()
    await timed(() => check(second, 'plan:gone'))
    await expectRefusedAtOnce()
    await expectKnownDecides()
    proxy.open()
  })
})

/** How many reads of logs the store has served. */
async function readsOf(admin: Redis): Promise<number> {
  const stats = await admin.info('commandstats')
  return Number(/cmdstat_xrange:calls=(\d+)/.exec(stats)?.[1] ?? 0)
}
