import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { configPartition } from '../../src/domain/partition.ts'
import { heartbeatsKey } from '../../src/redis/keys.ts'
import { Client } from '../support/client.ts'
import { describeWithRedis } from '../support/describe-with-redis.ts'
import { eventually } from '../support/eventually.ts'
import { obeyedByAll } from '../support/obeyed.ts'
import { definitionOf } from '../support/policies.ts'
import { RedisServer } from '../support/redis-server.ts'
import { Service } from '../support/service.ts'
import { StoreChanges } from '../support/store-changes.ts'
import { StoreProxy } from '../support/store-proxy.ts'

/** Longer than a start waits for the policies if no other process serves. */
const LONG_MS = 3_500

/** Stores a policy that blocks the key `blocked`. */
async function storeBlocked({ url }: Pick<RedisServer, 'url'>): Promise<void> {
  const admin = new Redis(url)
  await new StoreChanges(admin).change('blocked', { policy: definitionOf({ mode: 'block' }) })
  admin.disconnect()
}

describeWithRedis('a front process that cannot load the policies', () => {
  let redis: RedisServer
  let configRedis: RedisServer
  let api: Service
  let client: Client
  beforeEach(async () => {
    redis = await RedisServer.start()
    configRedis = await RedisServer.start('--appendonly', 'yes')
    await storeBlocked(configRedis)
    api = await Service.start({ kind: 'api', env: { REDIS_URL: redis.url, CONFIG_REDIS_URL: configRedis.url } })
    // A connection that stays open could be to a process that the test kills.
    client = new Client(api.url, { connection: 'close' })
    await obeyedByAll([client], 'blocked', 'blocked')
  })
  afterEach(async () => {
    await api.stop()
    await Promise.all([redis.stop(), configRedis.stop()])
  })

  /** Checks the blocked key for a while. Resolves with the codes of the answers: none while no process listens. */
  async function codesFor(ms: number): Promise<Set<unknown>> {
    const codes = new Set<unknown>()
    for (const until = performance.now() + ms; performance.now() < until; await sleep(20)) {
      const answer = await client.check('blocked').catch(() => undefined)
      if (answer !== undefined) codes.add(answer.body.code ?? answer.body.policy)
    }
    return codes
  }

  const bothServe = () =>
    eventually(async () => expect((await client.get('/metrics')).text).toContain('throttler_front_processes 2'))

  it('replaces no process that knows them, until it has loaded them', async () => {
    const before = api.pidsOf('throttler front')
    await configRedis.kill()
    const waits = api.says(/this process waits for them, and the others serve/)
    api.process.kill('SIGHUP')
    expect(await codesFor(LONG_MS)).toEqual(new Set(['blocked']))
    await waits
    expect(api.pidsOf('throttler front')).toEqual(expect.arrayContaining(before))

    const replaced = api.says(/all front processes are replaced/)
    await configRedis.restart()
    expect(await codesFor(500)).toEqual(new Set(['blocked']))
    await replaced
    expect(await codesFor(100)).toEqual(new Set(['blocked']))
  })

  it('still waits if the primary is stopped for a moment', async () => {
    await configRedis.kill()
    const waits = api.says(/this process waits for them, and the others serve/)
    api.process.kill('SIGHUP')
    await waits
    api.process.kill('SIGSTOP')
    await sleep(2_000)
    api.process.kill('SIGCONT')
    expect(await codesFor(LONG_MS)).toEqual(new Set(['blocked']))
  })

  it('leaves the keys to the others when it replaces one that died, and serves once it has loaded them', async () => {
    const [victim = 0, survivor = 0] = api.pidsOf('throttler front')
    await configRedis.kill()
    process.kill(victim, 'SIGKILL')
    expect(await codesFor(LONG_MS)).toEqual(new Set(['blocked']))

    await configRedis.restart()
    await bothServe()
    process.kill(survivor, 'SIGKILL')
    expect(await codesFor(LONG_MS)).toEqual(new Set(['blocked']))
  })

  it('serves by the built-in policy if nobody else knows the policies, as all do that start', async () => {
    await configRedis.kill()
    const serves = api.says(/until they are, every key has the built-in policy/)
    for (const pid of api.pidsOf('throttler front')) process.kill(pid, 'SIGKILL')
    await serves
    await bothServe()
    await eventually(async () => expect((await client.check('blocked')).body).toMatchObject({ policy: 'default' }))
    expect((await client.get('/ready')).status).toBe(503)
    await configRedis.restart()
    await eventually(async () => expect((await client.check('blocked')).body).toMatchObject({ code: 'blocked' }))
  })
})

describeWithRedis('a front process that starts while the file of a secret is wrong', () => {
  let bucketRedis: RedisServer
  let configRedis: RedisServer
  let api: Service
  beforeEach(async () => {
    bucketRedis = await RedisServer.start('--requirepass', 'right')
    configRedis = await RedisServer.start('--requirepass', 'right')
    await Promise.all([bucketRedis, configRedis].map(redis => givePassword(redis, 'right')))
    await storeBlocked({ url: withPassword(configRedis, 'right') })
    api = await Service.start({
      kind: 'api',
      env: {
        REDIS_URL_FILE: fileOf(bucketRedis),
        CONFIG_REDIS_URL_FILE: fileOf(configRedis),
        WEB_CONCURRENCY: '2',
        ON_STORE_FAILURE: 'deny',
      },
    })
    await obeyedByAll([new Client(api.url)], 'blocked', 'blocked')
  })
  afterEach(async () => {
    await api.stop()
    await Promise.all([bucketRedis.stop(), configRedis.stop()])
  })

  const fileOf = ({ directory }: RedisServer) => join(directory, 'url')
  const withPassword = ({ url }: RedisServer, password: string) => url.replace('redis://', `redis://:${password}@`)
  const givePassword = (redis: RedisServer, password: string) => writeFile(fileOf(redis), withPassword(redis, password))

  /** A process that waits counts in no alert, and has no share of the limits. */
  async function expectUncounted(): Promise<void> {
    const { text } = await new Client(api.url).get('/metrics')
    expect(text).toMatch(/^throttler_circuit_openings_total\{.*\} 0$/m)
    expect(text).not.toMatch(/^throttler_circuit_openings_total\{.*\} [1-9]/m)
    const admin = new Redis(withPassword(bucketRedis, 'right'))
    expect(await admin.zcard(heartbeatsKey('throttler'))).toBe(2)
    admin.disconnect()
  }

  it.each([
    ['policy', () => configRedis, /this process waits for them, and the others serve/],
    ['bucket', () => bucketRedis, /it waits, and the others serve/],
  ])('leaves the keys to the others, and is restarted by a further signal: %s store', async (_, redis, message) => {
    const before = api.pidsOf('throttler front')
    await givePassword(redis(), 'wrong')
    const waits = api.says(message)
    api.process.kill('SIGHUP')
    await waits

    const waitsAgain = api.says(message)
    api.process.kill('SIGHUP')
    await waitsAgain
    await eventually(() => expect(api.pidsOf('throttler front')).toHaveLength(3))
    expect(api.pidsOf('throttler front')).toEqual(expect.arrayContaining(before))
    expect((await new Client(api.url).check('k')).body).toMatchObject({ source: 'redis' })
    await expectUncounted()

    await givePassword(redis(), 'right')
    const replaced = api.says(/all front processes are replaced/)
    api.process.kill('SIGHUP')
    await replaced
    expect(api.pidsOf('throttler front').filter(pid => before.includes(pid))).toEqual([])
    await obeyedByAll([new Client(api.url)], 'blocked', 'blocked')
    expect((await new Client(api.url).check('k')).body).toMatchObject({ source: 'redis' })
  })
})

describeWithRedis('a policy store that is slow', () => {
  /** The store delivers them in ten parts, one after another. */
  const KEYS = Array.from({ length: 200_000 }, (_, i) => `k${i}`)
    .filter(key => configPartition(key) === 0)
    .slice(0, 3_000)

  let redis: RedisServer
  let proxy: StoreProxy
  let worker: Service
  let api: Service
  beforeEach(async () => {
    redis = await RedisServer.start()
    proxy = await StoreProxy.start(redis.url)
    worker = await Service.start({ kind: 'worker', env: { REDIS_URL: redis.url } })
    api = await startApi()
    const lines = KEYS.map(key => `${JSON.stringify({ key, mode: 'block' })}\n`).join('')
    const headers = { 'content-type': 'application/x-ndjson', prefer: 'wait=60' }
    expect((await new Client(api.url).request('POST', '/config/import', lines, headers)).status).toBe(200)
  })
  afterEach(async () => {
    await Promise.all([api.stop(), worker.stop()])
    await Promise.all([proxy.stop(), redis.stop()])
  })

  const startApi = () =>
    Service.start({
      kind: 'api',
      env: { REDIS_URL: redis.url, CONFIG_REDIS_URL: proxy.url, WEB_CONCURRENCY: '1' },
    })

  it('keeps an instance that starts from deciding by the built-in policy while the load advances', async () => {
    await api.stop()
    proxy.latencyMs = 200
    api = await startApi()
    const client = new Client(api.url)
    for (const key of KEYS.slice(-50)) expect((await client.check(key)).body).toMatchObject({ code: 'blocked' })
    expect((await client.get('/ready')).status).toBe(200)
  })
})

describeWithRedis('a store that refuses writes', () => {
  it('keeps no front process from starting, which enforces the policies', async () => {
    const redis = await RedisServer.start()
    const admin = new Redis(redis.url)
    const env = { REDIS_URL: redis.url, WEB_CONCURRENCY: '1' }
    await storeBlocked(redis)
    const first = await Service.start({ kind: 'api', env })
    await obeyedByAll([new Client(first.url)], 'blocked', 'blocked')
    await admin.config('SET', 'min-replicas-to-write', '1')
    try {
      const [pid = 0] = first.pidsOf('throttler front')
      process.kill(pid, 'SIGKILL')
      const second = await Service.start({ kind: 'api', env })
      try {
        for (const url of [first.url, second.url]) {
          await eventually(async () =>
            expect((await new Client(url).check('blocked')).body).toMatchObject({ code: 'blocked' }),
          )
        }
      } finally {
        await second.stop()
      }
    } finally {
      admin.disconnect()
      await first.stop()
      await redis.stop()
    }
  })
})
