import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { pino } from 'pino'
import { compactLog } from '../../../src/config-change/maintenance/compact.ts'
import { rebuildPartition } from '../../../src/config-change/maintenance/rebuild.ts'
import { configPartition } from '../../../src/domain/partition.ts'
import { announcementChannel, ConfigKeys } from '../../../src/redis/keys.ts'
import { maintainedPartitions } from '../../../src/redis/policies/maintained-partitions.ts'
import { TestApp } from '../../support/app.ts'
import { describeWithRedis } from '../../support/describe-with-redis.ts'
import { eventually } from '../../support/eventually.ts'
import { promised } from '../../support/promised.ts'
import { RedisServer } from '../../support/redis-server.ts'
import { StoreProxy } from '../../support/store-proxy.ts'

/** The bound of docs/consistency.md after a lost message or connection, plus time for the test. */
const BOUND_MS = promised(2_000 + 3_000)
const KEYS = ['a', 'b', 'c', 'd', 'e', 'f*']

const policy = (capacity: number) => ({ capacity, refillTokens: 1, mode: 'off' })

describeWithRedis('a front process', () => {
  let store: RedisServer
  let redis: Redis
  let proxy: StoreProxy
  let keyPrefix: string
  /** Accepts and applies the changes. */
  let writer: TestApp
  /** Reaches the store through the proxy. */
  let follower: TestApp
  let said: string[]

  beforeAll(async () => {
    store = await RedisServer.start()
  })
  afterAll(() => store.stop())
  beforeEach(async () => {
    keyPrefix = `t-${randomUUID()}`
    said = []
    const logger = pino({ level: 'info' }, { write: (line: string) => void said.push(line) })
    redis = new Redis(store.url)
    proxy = await StoreProxy.start(store.url)
    const variables = { KEY_PREFIX: keyPrefix }
    writer = await TestApp.start(store, { variables: { ...variables, LOG_LEVEL: 'silent' } })
    follower = await TestApp.start(store, {
      variables: { ...variables, CONFIG_REDIS_URL: proxy.url },
      worker: false,
      logger,
    })
    await change(1)
    await obeys(1)
  })
  afterEach(async () => {
    await follower.close()
    await writer.close()
    await proxy.stop()
    redis.disconnect()
  })

  /** Changes every key. */
  async function change(capacity: number): Promise<void> {
    const answers = await Promise.all(KEYS.map(key => writer.client.put(key, policy(capacity))))
    expect(answers.map(({ status }) => status).filter(status => status >= 300)).toEqual([])
  }

  const limits = async () =>
    (await Promise.all(KEYS.map(key => follower.client.check(key, 0)))).map(({ body }) => body.limit)

  const obeys = (capacity: number) =>
    eventually(async () => expect(await limits()).toEqual(KEYS.map(() => capacity)), BOUND_MS)

  const resets = async () => Number(/log_resets_total (\d+)/.exec((await follower.client.get('/metrics')).text)?.[1])
  const partitions = new Set(KEYS.map(configPartition))
  const obeysOf = (key: string, capacity: number) =>
    eventually(async () => expect((await follower.client.check(key, 0)).body.limit).toBe(capacity), BOUND_MS)

  const compactions = () => said.filter(line => line.includes('the log was compacted past this process'))
  const reloads = () => said.filter(line => line.includes('the log was replaced: reloading'))

  it('enforces changes whose announcements were lost', async () => {
    proxy.losesAnnouncements = true
    await change(2)
    await obeys(2)
    expect(reloads()).toEqual([])
  })

  it('enforces changes while its subscription is cut repeatedly', async () => {
    for (let capacity = 2; capacity < 12; capacity++) {
      await Promise.all(KEYS.map(key => writer.client.request('PUT', `/config/${key}`, policy(capacity))))
      await redis.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
    }
    await obeys(11)
    expect(reloads()).toEqual([])
  })

  it('catches up with many changes after its connections were lost', async () => {
    proxy.cut()
    for (let capacity = 2; capacity < 12; capacity++) await change(capacity)
    proxy.open()
    await obeys(11)
    expect(reloads()).toEqual([])
  })

  it('forgets every policy when the store is flushed, and logs it', async () => {
    await redis.flushall()
    await obeys(100)
    expect(reloads()).toHaveLength(partitions.size)
    expect(await resets()).toBe(partitions.size)
    await change(3)
    await obeys(3)
    expect((await follower.client.check('a', 0)).body.policyVersion).toBe(1)
  })

  it('detects a store that was flushed and filled to the same position meanwhile', async () => {
    proxy.cut()
    await redis.flushall()
    await change(5)
    proxy.open()
    await obeys(5)
    expect(reloads()).toHaveLength(partitions.size)
  })

  it('returns to the policies of an older dump that was restored', async () => {
    await redis.save()
    await change(2)
    await obeys(2)
    await store.kill()
    await store.restart()
    await obeys(1)
    expect(reloads()).toHaveLength(partitions.size)
  })

  it('detects an older dump that was restored and has grown past its position since', async () => {
    await redis.save()
    await change(2)
    await obeys(2)
    proxy.cut()
    await store.kill()
    await store.restart()
    await eventually(() => change(7))
    await change(8)
    proxy.open()
    await obeys(8)
    expect(reloads()).toHaveLength(partitions.size)
  })

  it('reloads what was compacted while it was disconnected', async () => {
    proxy.cut()
    for (const capacity of [2, 3, 4]) await change(capacity)
    await writer.client.delete('a')
    for (const { log } of maintainedPartitions(redis, keyPrefix)) {
      await compactLog(log, 1, { advanced: () => undefined })
    }
    proxy.open()
    await eventually(async () => expect(await limits()).toEqual([100, 4, 4, 4, 4, 4]), BOUND_MS)
    expect(compactions()).toHaveLength(partitions.size)
    expect([reloads(), await resets()]).toEqual([[], 0])
  })

  it.each([
    ['policies', 1, (keys: ConfigKeys) => [keys.identity, keys.policies, keys.names]],
    ['logs', 100, (keys: ConfigKeys) => [keys.identity, keys.log]],
  ])('obeys what a rebuild makes of a store that has lost its identities and %s', async (_, rebuilt, lostOf) => {
    for (const { number } of maintainedPartitions(redis, keyPrefix))
      await redis.del(...lostOf(new ConfigKeys(keyPrefix, number)))
    await eventually(() => expect(reloads()).toHaveLength(partitions.size), BOUND_MS)
    for (const partition of maintainedPartitions(redis, keyPrefix)) {
      expect(await rebuildPartition(partition, { advanced: () => undefined })).toMatchObject({ faults: [] })
    }
    await obeys(rebuilt)
  })

  it('counts no reset while the log is compacted faster than it follows', async () => {
    let isOver = false
    const compaction = (async () => {
      while (!isOver) {
        for (const { log } of maintainedPartitions(redis, keyPrefix)) {
          await compactLog(log, 1, { advanced: () => undefined })
        }
      }
    })()
    for (let capacity = 2; capacity < 16; capacity++) await change(capacity)
    isOver = true
    await compaction
    await obeys(15)
    expect([reloads(), await resets()]).toEqual([[], 0])
  })

  it('enforces every policy while it reloads', async () => {
    const answers: unknown[] = []
    let isOver = false
    const checks = (async () => {
      while (!isOver) answers.push(...(await limits()))
    })()
    for (let i = 0; i < 5; i++) {
      const before = await resets()
      for (const { number } of maintainedPartitions(redis, keyPrefix)) {
        await redis.set(new ConfigKeys(keyPrefix, number).identity, randomUUID())
      }
      await change(1)
      await eventually(async () => expect(await resets()).toBeGreaterThanOrEqual(before + partitions.size), BOUND_MS)
    }
    isOver = true
    await checks
    expect(new Set(answers)).toEqual(new Set([1]))
  })

  it('ignores messages of other programs on the channel of announcements', async () => {
    for (const message of ['', 'hello', '0 1 {', '0 1 null', '99 1 ', '0 x {"id": 5}']) {
      await redis.publish(announcementChannel(keyPrefix), message)
    }
    await change(2)
    await obeys(2)
  })

  it('logs an event of a later release that it cannot read, and continues with the rest', async () => {
    const event = { schema: 3, key: 'a', version: 2, type: 'changed', from: 'the future' }
    const partition = configPartition('a')
    await redis.xadd(new ConfigKeys(keyPrefix, partition).log, '999-0', 'event', JSON.stringify(event))
    await eventually(() => expect(said.join()).toContain('an event of schema 3'))
    const other = KEYS.find(key => configPartition(key) !== partition) ?? ''
    await writer.client.put(other, policy(2))
    await eventually(async () => expect((await follower.client.check(other, 0)).body.limit).toBe(2), BOUND_MS)
    expect((await follower.client.check('a', 0)).body.limit).toBe(1)
    expect(said.filter(line => line.includes('an event of schema 3'))).toHaveLength(1)
  })

  it.each([
    ['is not JSON', 'not JSON'],
    ['is null', 'null'],
    ['has no policy', '{"schema":1,"key":"a","version":2,"type":"changed","at":"","actor":"","commandId":""}'],
  ])('logs once that an event %s, and obeys the changes before and after it', async (_, event) => {
    const { log } = new ConfigKeys(keyPrefix, configPartition('a'))
    proxy.losesAnnouncements = true
    await writer.client.put('a', policy(2))
    await redis.xadd(log, '999-0', 'event', event)
    await obeysOf('a', 2)
    await writer.client.put('a', policy(3))
    await obeysOf('a', 3)
    expect(said.filter(line => line.includes('an event is damaged'))).toHaveLength(1)
    expect([reloads(), await resets()]).toEqual([[], 0])
  })
})
