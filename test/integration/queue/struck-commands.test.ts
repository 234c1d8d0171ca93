import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { type CommandId, parseCommandId } from '../../../src/domain/command-id.ts'
import { configPartition } from '../../../src/domain/partition.ts'
import { openQueue } from '../../../src/queues/command-queue.ts'
import { ConfigKeys } from '../../../src/redis/keys.ts'
import { TestApp } from '../../support/app.ts'
import { eventually } from '../../support/eventually.ts'
import { type Store, startStore } from '../../support/store.ts'
import { takeAndDie } from '../../support/take-and-die.ts'

const KEY_PREFIX = 'struck'
const policy = (capacity: number) => ({ capacity, refillTokens: 1 })
const partition = configPartition('k')

let store: Store
let app: TestApp
beforeAll(async () => {
  store = await startStore()
  app = await TestApp.start(store, { variables: { KEY_PREFIX }, worker: false })
})
afterAll(async () => {
  await app.close()
  await store.stop()
})

const strike = (keyPrefix = KEY_PREFIX) => takeAndDie({ redisUrl: store.url, keyPrefix, partition })

describe('a command whose workers die', () => {
  it('three times is still applied, before its successors', async () => {
    const commandIds: string[] = []
    for (const capacity of [1, 2, 3]) {
      commandIds.push((await app.client.request('PUT', '/config/k', policy(capacity))).body.commandId)
    }
    const struck = [await strike(), await strike(), await strike()]
    expect(struck).toEqual(Array.from({ length: 3 }, () => commandIds[0]))
    await app.startWorker()
    await eventually(async () => {
      const { events } = (await app.client.get('/config/k/history')).body
      expect(events.map(({ commandId }: { commandId: string }) => commandId)).toEqual(commandIds)
    })
  })
})

interface Service {
  readonly other: TestApp
  readonly redis: Redis
  readonly queue: ReturnType<typeof openQueue>
}

/** Runs a test with a service of its own, without a worker, and with the queue of the policy `k`. */
async function withService(keyPrefix: string, test: (service: Service) => Promise<void>): Promise<void> {
  const other = await TestApp.start(store, { variables: { KEY_PREFIX: keyPrefix }, worker: false })
  const redis = new Redis(store.url, { maxRetriesPerRequest: null })
  const queue = openQueue(redis, keyPrefix, partition)
  try {
    await test({ other, redis, queue })
  } finally {
    await queue.close()
    redis.disconnect()
    await other.close()
  }
}

const change = async ({ client }: TestApp): Promise<string> =>
  (await client.request('PUT', '/config/k', policy(1))).body.commandId

const expectApplied = ({ client }: TestApp, commandId: string) =>
  eventually(async () => expect((await client.get(`/commands/${commandId}`)).body.status).toBe('applied'))

describe('a command whose worker dies', () => {
  it('for the thousandth time, is still applied', () =>
    withService('thousand', async ({ other, redis, queue }) => {
      const commandId = await change(other)
      expect(await strike('thousand')).toBe(commandId)
      // Where BullMQ counts how often a job has stalled.
      await redis.hset(queue.toKey(commandId), 'stc', 999)
      await other.startWorker()
      await expectApplied(other, commandId)
    }))

  it.each<[situation: string, keyPrefix: string, expiry: ['PX', number] | []]>([
    ['while the clock of the store is an hour ahead', 'ahead', ['PX', 3_600_000]],
    ['while another program sets keys of the queue that never expire', 'lasting', []],
  ])('%s, is applied soon after', (_, keyPrefix, expiry) =>
    withService(keyPrefix, async ({ other, redis }) => {
      const commandId = await change(other)
      expect(await strike(keyPrefix)).toBe(commandId)
      const lock = new ConfigKeys(keyPrefix, partition).lock(parseCommandId(commandId) as CommandId)
      await redis.call('SET', lock, 'token', ...expiry)
      await other.startWorker()
      await expectApplied(other, commandId)
    }),
  )
})

it('a job of another program whose id is not UTF-8 does not keep commands waiting', () =>
  withService('foreign', async ({ other, redis, queue }) => {
    const id = Buffer.from([0xff, 0xfe])
    await redis.lpush(queue.toKey('wait'), id)
    const commandId = await change(other)
    await other.startWorker()
    await expectApplied(other, commandId)
    const key = Buffer.concat([Buffer.from(queue.toKey('')), id])
    await eventually(async () => {
      expect([await redis.llen(queue.toKey('active')), await redis.exists(key)]).toEqual([0, 0])
    })
  }))

describe('the limit of one command at a time in each partition', () => {
  const concurrencies = async () => {
    const redis = new Redis(store.url, { maxRetriesPerRequest: null })
    const queues = [0, 1, 2, 3].map(number => openQueue(redis, KEY_PREFIX, number))
    try {
      return await Promise.all(queues.map(queue => queue.getGlobalConcurrency()))
    } finally {
      await Promise.all(queues.map(queue => queue.close()))
      redis.disconnect()
    }
  }

  it('applies from the start of a worker', async () => {
    expect(await concurrencies()).toEqual([1, 1, 1, 1])
  })

  it('applies to the first command after a flush', async () => {
    const redis = new Redis(store.url)
    await redis.flushall()
    redis.disconnect()
    await app.client.put('k', policy(1))
    expect((await concurrencies())[partition]).toBe(1)
  })

  it('applies after every reconnect of a worker', async () => {
    const redis = new Redis(store.url)
    await redis.flushall()
    await redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    redis.disconnect()
    await eventually(async () => expect(await concurrencies()).toEqual([1, 1, 1, 1]))
  })
})
