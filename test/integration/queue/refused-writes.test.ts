import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { configPartition } from '../../../src/domain/partition.ts'
import { openQueue } from '../../../src/queues/command-queue.ts'
import { ConfigKeys, queueName } from '../../../src/redis/keys.ts'
import { TestApp } from '../../support/app.ts'
import { describeWithRedis } from '../../support/describe-with-redis.ts'
import { eventually } from '../../support/eventually.ts'
import { promised } from '../../support/promised.ts'
import { RedisServer } from '../../support/redis-server.ts'
import { StoreProxy } from '../../support/store-proxy.ts'

const KEY_PREFIX = 'refused'
/** How long a partition may take to continue after the store takes writes again, in ms. */
const CONTINUES_WITHIN_MS = promised(1_500)
const SEVERAL_RETRIES_MS = 350
const partition = configPartition('k')
const policy = (capacity: number) => ({ capacity, refillTokens: 1 })
const queueKey = (name: string) =>
  `${new ConfigKeys(KEY_PREFIX, partition).queuePrefix}:${queueName(partition)}:${name}`

/** Makes the store refuse writes, and take them again. */
interface Kind {
  readonly kind: string
  readonly refuse: readonly string[]
  /** What follows once a worker has tried again. */
  readonly then?: readonly string[]
  readonly accept: readonly string[]
}

const setting = (name: string, value: string) => ['CONFIG', 'SET', name, value]
const USER = 'throttler'
const right = (...changes: readonly string[]) => ['ACL', 'SETUSER', USER, ...changes]
const ALL_RIGHTS = right('on', '>password', '~*', '&*', '+@all')

const KINDS: readonly Kind[] = [
  {
    kind: 'it has too few replicas',
    refuse: setting('min-replicas-to-write', '1'),
    accept: setting('min-replicas-to-write', '0'),
  },
  { kind: 'its memory is full', refuse: setting('maxmemory', '1'), accept: setting('maxmemory', '0') },
]

const DELETED = ['ACL', 'DELUSER', USER]
const WITHOUT_LOGIN: Kind = { kind: 'its user may not log in', refuse: DELETED, accept: ALL_RIGHTS }
/** ioredis fails the commands that wait for a connection with the error of the login: here, those with which the worker tries again. */
const WITHOUT_RIGHT_AND_LOGIN: Kind = {
  kind: 'its user lacks a right, and then may not log in',
  refuse: right('-@stream'),
  then: DELETED,
  accept: ALL_RIGHTS,
}

/** BullMQ's scripts run up to the denied command. */
const without = (lost: string): Kind => ({
  kind: `its user may not run ${lost}`,
  refuse: right(`-${lost}`),
  accept: right(`+${lost}`),
})

/** When the refusal begins, by what the worker sends then. */
const MOMENTS = [
  { moment: 'applied', text: ':outcome:' },
  { moment: 'ended', text: queueKey('metrics:completed') },
]

/** Cases in which a worker takes a command. Denials last so long that its lock on the command ends. */
const CASES_OF_TAKING = [
  ...[...KINDS, WITHOUT_LOGIN].map(kind => ({ ...kind, refusedMs: 700 })),
  ...['hincrby', 'hmget', 'rpush'].map(lost => ({ ...without(lost), refusedMs: 3_500 })),
]
const casesOf = (kinds: readonly Kind[], durations: readonly number[]) =>
  kinds.flatMap(kind => MOMENTS.flatMap(moment => durations.map(refusedMs => ({ ...kind, ...moment, refusedMs }))))
const CASES = [
  ...casesOf(KINDS, [700, 3_000]),
  ...casesOf([WITHOUT_LOGIN, WITHOUT_RIGHT_AND_LOGIN], [700]),
  ...casesOf(['zadd', '@stream', 'hdel', 'lrem', 'set'].map(without), [700]),
]

describeWithRedis('a store of changes that refused writes', () => {
  let server: RedisServer
  let redis: Redis
  let proxy: StoreProxy
  let app: TestApp
  beforeEach(async () => {
    server = await RedisServer.start()
    redis = new Redis(server.url)
    await call(ALL_RIGHTS)
    proxy = await StoreProxy.start(server.url)
    const variables = { KEY_PREFIX, LOG_LEVEL: 'silent' }
    app = await TestApp.start(
      { url: proxy.url.replace('//', `//${USER}:password@`), stop: async () => undefined },
      { variables },
    )
  })
  afterEach(async () => {
    await app.close()
    await proxy.stop()
    redis.disconnect()
    await server.stop()
  })

  const call = ([name = '', ...args]: readonly string[]) => redis.call(name, ...args)

  /** Whether the job of an ended command is in no list. */
  async function isLeftOver(id: string): Promise<boolean> {
    const isListed = (await redis.zscore(queueKey('completed'), id)) !== null
    return !isListed && (await redis.exists(queueKey(id))) === 1
  }

  async function jobCounts(): Promise<Record<string, number>> {
    const connection = new Redis(server.url, { maxRetriesPerRequest: null })
    const queue = openQueue(connection, KEY_PREFIX, partition)
    const counts = await queue.getJobCounts('active', 'waiting', 'failed')
    await queue.close()
    connection.disconnect()
    return counts
  }

  async function expectToContinue(): Promise<void> {
    const sinceMs = performance.now()
    // Until the front process has connected again, it answers 503.
    await eventually(async () => expect((await app.client.put('k', policy(2))).status).toBe(200))
    expect(performance.now() - sinceMs).toBeLessThan(CONTINUES_WITHIN_MS)
    await eventually(async () => expect(await jobCounts()).toEqual({ active: 0, waiting: 0, failed: 0 }))
  }

  it.each(CASES)(
    'because $kind, for $refusedMs ms, while a command was $moment, continues, and the command has not failed',
    async ({ refuse, then, accept, refusedMs, text }) => {
      await app.client.put('k', policy(3))
      const held = proxy.hold(text)
      const change = app.client.request('PUT', '/config/k', policy(1))
      await held
      await call(refuse)
      proxy.release()
      const { commandId } = (await change).body
      if (then !== undefined) {
        await sleep(SEVERAL_RETRIES_MS)
        await call(then)
      }
      await sleep(refusedMs)
      await call(accept)
      await expectToContinue()
      expect((await app.client.get(`/commands/${commandId}`)).body).toMatchObject({ status: 'applied', version: 2 })
      expect(await isLeftOver(commandId)).toBe(false)
    },
  )

  it.each([...KINDS, WITHOUT_LOGIN])(
    'because $kind, while its workers were idle, continues',
    async ({ refuse, accept }) => {
      await app.client.put('k', policy(3))
      await call(refuse)
      await sleep(700)
      await call(accept)
      await expectToContinue()
    },
  )

  it.each(CASES_OF_TAKING)(
    'because $kind, for $refusedMs ms, while a command was taken, continues',
    async ({ refuse, accept, refusedMs }) => {
      await app.client.put('k', policy(3))
      // A key of the script that takes a command. An idle worker calls it each second.
      await proxy.hold(queueKey('limiter'))
      const change = app.client.request('PUT', '/config/k', policy(1))
      await eventually(async () => expect(await redis.llen(queueKey('wait'))).toBe(1))
      await call(refuse)
      proxy.release()
      await sleep(refusedMs)
      await call(accept)
      await expectToContinue()
      expect((await change).status).toBe(202)
    },
  )
})
