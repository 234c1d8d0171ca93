import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { bucketPartition } from '../../src/domain/partition.ts'
import { BUCKET_SLOTS } from '../../src/redis/bucket-tags.ts'
import { CheckLoad, type Sample, summarize } from '../support/check-load.ts'
import { Client } from '../support/client.ts'
import { describeLongWithRedis } from '../support/describe-with-redis.ts'
import { eventually } from '../support/eventually.ts'
import { obeyedByAll } from '../support/obeyed.ts'
import { type ClusterNode, RedisCluster } from '../support/redis-cluster.ts'
import { Service } from '../support/service.ts'

const CALLS_PER_SECOND = 1_000
const GROUPS = 30
const USERS_OF_EACH = 3
const PHASE_MS = 8_000
/** The slots of the second of three masters. */
const [FIRST_SLOT, AFTER_LAST_SLOT] = [Math.round(16_384 / 3), Math.round((2 * 16_384) / 3)]

/** A group gets 33 calls a second. The last limit does not refill, and so counts what is spent. */
const LIMITS = {
  'plan:user': { capacity: 20, refillTokens: 5, refillIntervalMs: 1_000 },
  'plan:org': { capacity: 30, refillTokens: 10, refillIntervalMs: 1_000 },
  'plan:total': { capacity: 1_000_000, refillTokens: 1, refillIntervalMs: 2_000_000_000 },
} as const

type Plan = keyof typeof LIMITS

const orgOf = (call: string) => `{org-${call.split('/')[0]}}`
/** The checks of one call, which a text such as `7/2` names: the second user of the seventh group. */
const checksOf = (call: string): readonly { readonly key: string; readonly policy: Plan }[] => [
  { key: `${orgOf(call)}:user-${call.split('/')[1]}`, policy: 'plan:user' },
  { key: orgOf(call), policy: 'plan:org' },
  { key: `${orgOf(call)}:total`, policy: 'plan:total' },
]

describeLongWithRedis('checks of several keys on a Redis Cluster', () => {
  let cluster: RedisCluster
  let services: readonly Service[]
  let clients: readonly Client[]
  beforeAll(async () => {
    cluster = await RedisCluster.start({ masters: 3, replicas: 3, nodeTimeoutMs: 1_000 })
    const start = (kind: 'all' | 'api') => Service.start({ kind, env: { REDIS_URL: cluster.url } })
    services = await Promise.all([start('all'), start('api')])
    clients = services.map(({ url }) => new Client(url))
    for (const [plan, limit] of Object.entries(LIMITS)) {
      await clients[0]?.put(plan, { ...limit, onStoreFailure: 'deny' })
      await obeyedByAll(clients, plan, plan)
    }
  }, 60_000)
  afterAll(async () => {
    await Promise.all(services.map(service => service.stop()))
    await cluster.stop()
  })

  it('admit at most what each limit allows while a process is killed and a master fails over', async () => {
    const startMs = performance.now()
    const load = new CheckLoad({
      urls: services.map(({ url }) => url),
      ratePerSecond: CALLS_PER_SECOND,
      keyOf: i => `${i % GROUPS}/${Math.floor(i / GROUPS) % USERS_OF_EACH}`,
      requestOf: call => ['/check/all', { checks: checksOf(call) }],
    })
    await load.runsFor(PHASE_MS)
    for (const pid of services[1]?.pidsOf('throttler front').slice(0, 1) ?? []) process.kill(pid, 'SIGKILL')
    await load.runsFor(PHASE_MS)
    const [master, replica] = [cluster.masters[1], cluster.replicas[1]] as [ClusterNode, ClusterNode]
    await master.server.kill()
    await eventually(async () => expect(await replica.redis.role()).toContain('master'), 20_000)
    await load.runsFor(PHASE_MS)
    const samples = await load.stop()
    const seconds = (performance.now() - startMs) / 1_000

    const figures = figuresOf(samples, seconds)
    const { errors, bySource } = summarize(samples)
    process.stderr.write(
      `checks of several keys: ${JSON.stringify({ calls: samples.length, errors, bySource, ...figures })}\n`,
    )
    expect(errors / samples.length).toBeLessThan(0.2)
    // Otherwise the bound would not be put to the test.
    expect(figures.used).toBeGreaterThan(0.8)
    expect(figures.kept).toBeLessThanOrEqual(1)
    expect(figures.failedOver).toBeLessThanOrEqual(1)
    await expectAllOrNothing(samples)
  }, 120_000)

  /** What was admitted, as the largest share of the bound of a key. A failover may lose what was spent last, so it has another bound. */
  function figuresOf(samples: readonly Sample[], seconds: number) {
    const admitted = new Map<string, { readonly plan: Plan; count: number }>()
    for (const { key: call } of samples.filter(({ status }) => status === 200)) {
      for (const { key, policy } of checksOf(call)) {
        const entry = admitted.get(key) ?? { plan: policy, count: 0 }
        admitted.set(key, entry)
        entry.count++
      }
    }
    const shares = [...admitted].map(([key, { plan, count }]) => {
      const { capacity, refillTokens, refillIntervalMs } = LIMITS[plan]
      const lost = failsOver(key) ? capacity : 0
      const share = count / (capacity + lost + (refillTokens * 1_000 * seconds) / refillIntervalMs)
      return { plan, share, failsOver: failsOver(key) }
    })
    const largest = (of: boolean) => Math.max(...shares.filter(one => one.failsOver === of).map(({ share }) => share))
    const used = Math.max(...shares.filter(({ plan }) => plan === 'plan:org').map(({ share }) => share))
    return { kept: largest(false), failedOver: largest(true), used }
  }

  /** Calls that were denied have spent nothing, and those that were allowed from every key. */
  async function expectAllOrNothing(samples: readonly Sample[]): Promise<void> {
    for (let group = 0; group < GROUPS; group++) {
      const key = `${orgOf(`${group}/0`)}:total`
      if (failsOver(key)) continue
      const own = samples.filter(({ key: call }) => call.split('/')[0] === String(group))
      const admitted = own.filter(({ status }) => status === 200).length
      const unknown = own.filter(({ status }) => status === 0 || status >= 500).length
      const { body } = (await clients[0]?.get(`/buckets/${encodeURIComponent(key)}?policy=plan:total`)) ?? {}
      const spent = LIMITS['plan:total'].capacity - body.remaining
      expect(spent).toBeGreaterThanOrEqual(admitted)
      expect(spent).toBeLessThanOrEqual(admitted + unknown)
    }
  }
})

function failsOver(key: string): boolean {
  const slot = BUCKET_SLOTS[bucketPartition(key)] as number
  return slot >= FIRST_SLOT && slot < AFTER_LAST_SLOT
}
