import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { BUCKET_PARTITIONS, bucketPartition } from '../../src/domain/partition.ts'
import { BUCKET_SLOTS } from '../../src/redis/bucket-tags.ts'
import { CheckLoad, expectInTime, reportFigures, summarize } from '../support/check-load.ts'
import { runThrottler } from '../support/cli.ts'
import { Client } from '../support/client.ts'
import { describeWithRedis } from '../support/describe-with-redis.ts'
import { eventually } from '../support/eventually.ts'
import { obeyedByAll } from '../support/obeyed.ts'
import { itGivesTheTour } from '../support/readme.ts'
import { type ClusterNode, RedisCluster } from '../support/redis-cluster.ts'
import { RedisServer } from '../support/redis-server.ts'
import { Service } from '../support/service.ts'
import { failToStart } from '../support/start-failure.ts'

const IS_LONG = process.env['TEST_LONG'] !== undefined
const MOST_DEGRADED = 0.01
const RATE_PER_SECOND = IS_LONG ? 1_000 : 300
/** Half of the slots of one of three masters. The quick form of the test moves only some slots that contain buckets. */
const HALF_OF_A_MASTERS_SLOTS = Math.round(16_384 / 6)
const FIRST_OF_SECOND_MASTER = Math.round(16_384 / 3)
/** The master of a cluster without others does not find its own address. */
const NEEDS_ALL_SLOTS = ['--cluster-require-full-coverage', 'yes', '--cluster-announce-ip', '127.0.0.1']
/** So short that a killed master is replaced soon, in ms. */
const FAILOVER_TIMEOUT_MS = 1_000
/** BullMQ gives up waiting for a job after two seconds, and connects again. */
const DOWN_MS = 4_000
const SOME_WITH_BUCKETS = BUCKET_SLOTS.slice(0, 7)
/** The servers' proxies are in the process of the test, which sends hundreds of checks at once. */
const WITH_PROXIES = { REDIS_TIMEOUT_MS: '1000' }
/** Large, and so slow that the test can count exactly what was spent. */
const ROOMY = { capacity: 1_000_000, refillTokens: 1, refillIntervalMs: 2_000_000_000 }

const SERVERS = [
  { servers: 'whose masters take one call for all their slots', refusesScriptFlags: false },
  ...(IS_LONG ? [{ servers: 'whose masters take a call for each slot only', refusesScriptFlags: true }] : []),
]

describeWithRedis.each(SERVERS)('a Redis Cluster $servers', ({ refusesScriptFlags }) => {
  let cluster: RedisCluster
  let services: readonly Service[]
  let clients: readonly [Client, Client]
  beforeAll(async () => {
    // The last of three masters has no replica.
    cluster = await RedisCluster.start({ masters: 3, replicas: 2, refusesScriptFlags })
    const patience = refusesScriptFlags ? WITH_PROXIES : {}
    const start = (kind: 'all' | 'api') => Service.start({ kind, env: { REDIS_URL: cluster.url, ...patience } })
    services = await Promise.all([start('all'), start('api')])
    clients = services.map(({ url }) => new Client(url)) as unknown as [Client, Client]
  })
  afterAll(async () => {
    await Promise.all(services.map(service => service.stop()))
    await cluster.stop()
  })

  itGivesTheTour(() => services[0] as Service)

  const startLoad = (keyOf = (i: number) => `load:${i % 2_000}`) =>
    new CheckLoad({ urls: services.map(({ url }) => url), ratePerSecond: RATE_PER_SECOND, keyOf })

  it('admits exactly the capacity of one key, whichever of four processes is asked', async () => {
    await clients[0].put('hot', { capacity: 100, refillTokens: 1, refillIntervalMs: 2_000_000_000 })
    await obeyedByAll(clients, 'hot', 'hot')
    const answers = await Promise.all(Array.from({ length: 600 }, (_, i) => clients[i % 2 ? 0 : 1].check('hot')))
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(100)
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(500)
  })

  it('is used by throttler check and reset, whichever master has the key', async () => {
    await clients[0].put('cli:*', { capacity: 2, refillTokens: 1, refillIntervalMs: 2_000_000_000 })
    await obeyedByAll(clients, 'cli:x', 'cli:*')
    const run = (...args: string[]) => runThrottler(args, { REDIS_URL: cluster.url })
    for (const key of ['cli:1', 'cli:2', 'cli:3', '{acme}:cli', 'cli:5']) {
      const { code, output } = await run('check', key, '--policy', 'cli:*', '--tokens', '2')
      expect([code, JSON.parse(output)]).toMatchObject([0, { policy: 'cli:*', remaining: 0 }])
      expect((await clients[0].request('POST', '/check', { key, policy: 'cli:*' })).status).toBe(429)
      expect(await run('reset', key)).toMatchObject({ code: 0 })
    }
    expect(await run('set', 'cli:*', '{"mode":"off"}')).toMatchObject({ code: 0 })
  })

  it('decides keys with the same text in braces together, whichever process is asked, and refuses others', async () => {
    await clients[0].put('{org:*', { capacity: 10, refillTokens: 1, refillIntervalMs: 2_000_000_000 })
    await obeyedByAll(clients, '{org:1}', '{org:*')
    const [one, other] = clients
    // In each of the masters.
    for (const org of ['{org:1}', '{org:2}', '{org:3}', '{org:4}', '{org:5}']) {
      const checks = [`${org}:user`, org].map(key => ({ key }))
      const calls = Array.from({ length: 12 }, (_, i) =>
        clients[i % 2 ? 0 : 1].request('POST', '/check/all', { checks }),
      )
      const statuses = (await Promise.all(calls)).map(({ status }) => status)
      expect([200, 429].map(wanted => statuses.filter(status => status === wanted).length)).toEqual([10, 2])
      const held = `${org}:jobs`
      const reserved = await one.request('POST', '/reservations', {
        checks: [{ key: held }, { key: `${org}:b` }],
        tokens: 6,
      })
      expect(reserved.status).toBe(201)
      const settled = await other.request('POST', `/reservations/${reserved.body.id}/settle`, { tokens: 2 })
      expect(settled.body.results).toMatchObject([{ remaining: 8 }, { remaining: 8 }])
    }
    const apart = await one.request('POST', '/check/all', { checks: [{ key: '{org:1}:user' }, { key: '{org:2}' }] })
    expect([apart.status, apart.body.code]).toEqual([400, 'keys-apart'])
    expect((await other.get('/forward-auth?key=org:1&key=org:2')).status).toBe(400)
    expect((await other.get('/forward-auth?key=org:9&key={org:9}')).status).toBe(200)
  })

  it('is asked in as few calls as its masters allow, and says so', async () => {
    const fallbacks = async () => {
      const { text } = await clients[1].get('/metrics')
      return Number(/^throttler_cluster_fallback_calls_total (\d+)$/m.exec(text)?.[1])
    }
    const before = await fallbacks()
    await clients[1].request('POST', '/check/batch', {
      checks: Array.from({ length: 100 }, (_, i) => ({ key: `spread:${i}` })),
    })
    const batches = (await fallbacks()) - before
    const refused =
      services[1]?.output.filter(line => line.includes('takes no call for buckets in several slots')) ?? []
    // A batch for each of the three masters, however many partitions are in it.
    expect(batches).toBe(refusesScriptFlags ? 3 : 0)
    expect(refused.length > 0).toBe(refusesScriptFlags)
  })

  it('applies changes of every partition in order while several workers run', async () => {
    const second = await Service.start({ kind: 'worker', env: { REDIS_URL: cluster.url } })
    const names = Array.from({ length: 8 }, (_, i) => `ordered:${i}`)
    await Promise.all(
      names.map(async name => {
        for (let capacity = 1; capacity <= 5; capacity++) {
          expect((await clients[capacity % 2 ? 0 : 1].put(name, { ...ROOMY, capacity })).body.version).toBe(capacity)
        }
      }),
    )
    expect(await second.stop()).toBe(0)
  })

  it('moves slots under load: every check is answered, and nothing is spent twice', async () => {
    await clients[0].put('moved:*', ROOMY)
    await obeyedByAll(clients, 'moved:0', 'moved:*')
    const [first, second, third] = cluster.masters as [ClusterNode, ClusterNode, ClusterNode]
    const load = startLoad(i => `moved:${i % 2_000}`)
    await load.runsFor(500)
    if (IS_LONG) {
      const half = Array.from({ length: HALF_OF_A_MASTERS_SLOTS }, (_, slot) => slot)
      await moveSlots(first, second, half)
      await moveSlots(
        second,
        third,
        half.map(slot => FIRST_OF_SECOND_MASTER + slot),
      )
    } else {
      await moveSlots(first, second, SOME_WITH_BUCKETS)
    }
    const samples = await load.stop()
    reportFigures('resharding', samples)

    const { errors, degraded } = summarize(samples)
    expect(errors).toBe(0)
    expect(degraded).toBeLessThanOrEqual(MOST_DEGRADED)
    if (!refusesScriptFlags) expectInTime(samples)
    const byRedis = samples.filter(({ source }) => source === 'redis').length
    const spent = await spentOf('moved', 2_000)
    expect(spent).toBeGreaterThanOrEqual(byRedis)
    expect(spent).toBeLessThanOrEqual(samples.length)
  })

  async function moveSlots(from: ClusterNode, to: ClusterNode, slots: readonly number[]): Promise<void> {
    for (const slot of slots) await cluster.moveSlot(slot, from, to)
  }

  async function spentOf(prefix: string, keys: number): Promise<number> {
    let spent = 0
    for (let from = 0; from < keys; from += 1_000) {
      const checks = Array.from({ length: 1_000 }, (_, i) => ({ key: `${prefix}:${from + i}`, tokens: 0 }))
      const { body } = await clients[0].request('POST', '/check/batch', { checks })
      for (const { remaining, source } of body.results) {
        expect(source).toBe('redis')
        spent += ROOMY.capacity - remaining
      }
    }
    return spent
  }

  const kinds = [
    {
      kind: 'is asked to',
      master: 0,
      run: (_: ClusterNode, replica: ClusterNode) => replica.redis.cluster('FAILOVER'),
    },
    { kind: 'is killed', master: 1, run: (master: ClusterNode) => master.server.kill() },
    ...(IS_LONG
      ? [{ kind: 'hangs', master: 1, run: async (master: ClusterNode) => process.kill(master.server.pid, 'SIGSTOP') }]
      : []),
  ]

  it.each(kinds)('fails over under load when a master $kind', async ({ kind, master: index, run }) => {
    const [master, replica] = await pairOf(index)
    const name = `kept-${index}:*`
    for (const capacity of [1, 2, 3]) await clients[0].put(name, { ...ROOMY, capacity: ROOMY.capacity - capacity })
    await Promise.all(cluster.masters.slice(0, 2).map(({ redis }) => redis.wait(1, 2_000).catch(() => 0)))
    const before = (await clients[0].get(`/config/${encodeURIComponent(name)}`)).body.version

    await cluster.setNodeTimeout(FAILOVER_TIMEOUT_MS)
    const load = startLoad()
    await load.runsFor(500)
    await run(master, replica)
    await eventually(async () => expect(await replica.redis.role()).toContain('master'))
    const newMasterAt = performance.now()
    await load.runsFor(2_000)
    const samples = await load.stop()
    reportFigures(`failover: ${kind}`, samples, newMasterAt)

    const { errors } = summarize(samples)
    expect(errors).toBe(0)
    if (!refusesScriptFlags) expectInTime(samples, newMasterAt)

    expect((await clients[0].get(`/config/${encodeURIComponent(name)}`)).body.version).toBe(before)
    for (let i = 0; i < 8; i++) {
      await eventually(async () =>
        expect([200, 201]).toContain((await clients[i % 2 ? 0 : 1].put(`after-${kind}:${i}`, ROOMY)).status),
      )
    }
    if (kind === 'hangs') process.kill(master.server.pid, 'SIGCONT')
    if (kind === 'is killed') await cluster.restart(master)
    await eventually(async () => expect(await master.redis.role()).toContain('slave'))
    await cluster.setNodeTimeout()
  })

  /** The current master of the pair, and its replica. */
  async function pairOf(index: number): Promise<[ClusterNode, ClusterNode]> {
    const [a, b] = [cluster.masters[index], cluster.replicas[index]] as [ClusterNode, ClusterNode]
    return (await a.redis.role()).includes('master') ? [a, b] : [b, a]
  }

  it('loses only the keys of a master that fails without a replica', async () => {
    const lone = cluster.masters[2] as ClusterNode
    const slots = (await lone.redis.cluster('SLOTS')) as unknown as [number, number, [string, number]][]
    const lost = new Set<number>()
    for (let partition = 0; partition < BUCKET_PARTITIONS; partition++) {
      const slot = BUCKET_SLOTS[partition] as number
      const range = slots.find(([from, to]) => from <= slot && slot <= to)
      if (range?.[2][1] === lone.port) lost.add(partition)
    }
    expect(lost.size).toBeGreaterThan(15)

    await lone.server.kill()
    const load = startLoad()
    await load.runsFor(2_000)
    const samples = await load.stop()
    reportFigures('lone master killed', samples)
    const degradedOf = (isLost: boolean) =>
      summarize(samples.filter(({ key }) => lost.has(bucketPartition(key)) === isLost)).degraded
    expect(degradedOf(true)).toBe(1)
    expect(degradedOf(false)).toBeLessThanOrEqual(MOST_DEGRADED)
    expect(summarize(samples).errors).toBe(0)
    if (!refusesScriptFlags) expectInTime(samples)

    await cluster.restart(lone)
    // A master that was restarted waits two seconds in case another one has taken its place.
    await eventually(async () => expect(await lone.redis.cluster('INFO')).toContain('cluster_state:ok'))
    const backAt = performance.now()
    await eventually(async () => {
      const again = await Promise.all(Array.from({ length: 100 }, (_, i) => clients[i % 2 ? 0 : 1].check(`again:${i}`)))
      expect(new Set(again.map(({ body }) => body.source))).toEqual(new Set(['redis']))
    })
    if (IS_LONG) expect(performance.now() - backAt).toBeLessThan(2_000)
  })
})

describeWithRedis('a start is refused', () => {
  it('for a cluster URL of a standalone server, and the other way round', async () => {
    const [standalone, cluster] = await Promise.all([
      RedisServer.start(),
      RedisServer.start('--cluster-enabled', 'yes'),
    ])
    const wrong = await failToStart('all', { REDIS_URL: `redis+cluster://127.0.0.1:${standalone.port}` })
    expect([wrong.code, wrong.said]).toEqual([
      1,
      expect.stringMatching(/REDIS_URL is a standalone server at \S+; use redis:\/\//),
    ])
    const other = await failToStart('all', { REDIS_URL: standalone.url, CONFIG_REDIS_URL: cluster.url })
    expect([other.code, other.said]).toEqual([
      1,
      expect.stringMatching(/CONFIG_REDIS_URL is a cluster server at \S+; use redis\+cluster:\/\//),
    ])
    for (const { said } of [wrong, other]) expect(said.match(/throttler cannot start/g)).toHaveLength(1)
    await Promise.all([standalone.stop(), cluster.stop()])
  })

  it('if keys are spread over another number of partitions', async () => {
    const server = await RedisServer.start()
    const redis = new Redis(server.url)
    await redis.set('{throttler:layout}', '32 bucket partitions, 4 config partitions')
    redis.disconnect()
    const { code, said } = await failToStart('api', { REDIS_URL: server.url })
    expect([code, said]).toEqual([
      1,
      expect.stringContaining('was filled with 32 bucket partitions, 4 config partitions; this release has 64 bucket'),
    ])
    expect(said.match(/throttler cannot start/g)).toHaveLength(1)
    await server.stop()
  })
})

describeWithRedis('a Redis Cluster that is down for longer than a worker waits for a job', () => {
  it('has changes applied again as soon as it is up', async () => {
    const cluster = await RedisCluster.start({ masters: 1, args: NEEDS_ALL_SLOTS })
    const service = await Service.start({ env: { REDIS_URL: cluster.url } })
    try {
      const master = (cluster.masters[0] as ClusterNode).redis
      const [slot] = BUCKET_SLOTS
      await master.cluster('DELSLOTS', slot as number)
      await sleep(DOWN_MS)
      await master.cluster('ADDSLOTS', slot as number)
      const client = new Client(service.url)
      for (let i = 0; i < 8; i++) {
        // A change that was answered with 503 may have been applied.
        await eventually(async () => expect([200, 201]).toContain((await client.put(`again:${i}`, ROOMY)).status))
      }
    } finally {
      await service.stop()
      await cluster.stop()
    }
  })
})
