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

const strike = (partition: number, keyPrefix = KEY_PREFIX) => takeAndDie({ redisUrl: store.url, keyPrefix, partition })

describe('a command whose workers die', () => {
  it('three times is still applied, before its successors', async () => {
    const commandIds: string[] = []
    for (const capacity of [1, 2, 3]) {
      commandIds.push((await app.client.request('PUT', '/config/k', policy(capacity))).body.commandId)
    }
    const partition = configPartition('k')
    const struck = [await strike(partition), await strike(partition), await strike(partition)]
    expect(struck).toEqual(Array.from({ length: 3 }, () => commandIds[0]))
    await app.startWorker()
    await eventually(async () => {
      const { events } = (await app.client.get('/config/k/history')).body
      expect(events.map(({ commandId }: { commandId: string }) => commandId)).toEqual(commandIds)
    })
  })
})

describe('a command whose worker dies', () => {
  it('for the thousandth time, is still applied', async () => {
    const partition = configPartition('k')
    const other = await TestApp.start(store, { variables: { KEY_PREFIX: 'thousand' }, worker: false })
    const redis = new Redis(store.url, { maxRetriesPerRequest: null })
    const queue = openQueue(redis, 'thousand', partition)
    try {
      const { commandId } = (await other.client.request('PUT', '/config/k', policy(1))).body
      expect(await strike(partition, 'thousand')).toBe(commandId)
      // Where BullMQ counts how often a job has stalled.
      await redis.hset(queue.toKey(commandId), 'stc', 999)
      await other.startWorker()
      await eventually(async () => {
        expect((await other.client.get(`/commands/${commandId}`)).body.status).toBe('applied')
      })
    } finally {
      await queue.close()
      redis.disconnect()
      await other.close()
    }
  })

  it.each<[situation: string, keyPrefix: string, expiry: ['PX', number] | []]>([
    ['while the clock of the store is an hour ahead', 'ahead', ['PX', 3_600_000]],
    ['while another program sets keys of the queue that never expire', 'lasting', []],
  ])('%s, is applied soon after', async (_, keyPrefix, expiry) => {
    const partition = configPartition('k')
    const other = await TestApp.start(store, { variables: { KEY_PREFIX: keyPrefix }, worker: false })
    const redis = new Redis(store.url, { maxRetriesPerRequest: null })
    const queue = openQueue(redis, keyPrefix, partition)
    const set = (key: string, value: string) => redis.call('SET', key, value, ...expiry)
    try {
      const { commandId } = (await other.client.request('PUT', '/config/k', policy(1))).body
      expect(await strike(partition, keyPrefix)).toBe(commandId)
      await set(new ConfigKeys(keyPrefix, partition).lock(parseCommandId(commandId) as CommandId), 'token')
      await other.startWorker()
      await eventually(async () => {
        expect((await other.client.get(`/commands/${commandId}`)).body.status).toBe('applied')
      })
    } finally {
      await queue.close()
      redis.disconnect()
      await other.close()
    }
  })
})

describe('the limit of one command at a time in each partition', () => {
  const concurrencies = async () => {
    const redis = new Redis(store.url, { maxRetriesPerRequest: null })
    const queues = [0, 1, 2, 3].map(partition => openQueue(redis, KEY_PREFIX, partition))
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
    expect((await concurrencies())[configPartition('k')]).toBe(1)
  })

  it('applies after every reconnect of a worker', async () => {
    const redis = new Redis(store.url)
    await redis.flushall()
    await redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    redis.disconnect()
    await eventually(async () => expect(await concurrencies()).toEqual([1, 1, 1, 1]))
  })
})
