import { randomUUID } from 'node:crypto'
import { afterEach, beforeEach, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { configPartition } from '../../../src/domain/partition.ts'
import { BullCommandQueue } from '../../../src/queues/command-queue.ts'
import { isTransient } from '../../../src/redis/connection/transient.ts'
import { ConfigKeys, queueName } from '../../../src/redis/keys.ts'
import { TestApp } from '../../support/app.ts'
import { eventually } from '../../support/eventually.ts'
import { samplesIn } from '../../support/prometheus.ts'
import { given } from '../config-change/given-store.ts'

const partition = configPartition('k')

const store = given()
let keyPrefix: string
let redis: Redis
let queue: BullCommandQueue
let app: TestApp

beforeEach(async () => {
  keyPrefix = `t-${randomUUID()}`
  redis = new Redis(store().url)
  queue = new BullCommandQueue(redis, keyPrefix)
  app = await TestApp.start(store(), { variables: { KEY_PREFIX: keyPrefix, LOG_LEVEL: 'silent' }, worker: false })
  await eventually(() => expect(redis.status).toBe('ready'))
})
afterEach(async () => {
  await app.close()
  await queue.close()
  redis.disconnect()
})

const startChange = async (capacity = 1) =>
  (await app.client.request('PUT', '/config/k', { capacity, refillTokens: 1 })).body.commandId
const queueKey = (name: string) => `${new ConfigKeys(keyPrefix, partition).queuePrefix}:${queueName(partition)}:${name}`

it('the queue reports the next command, and whether a worker is connected', async () => {
  expect(await queue.state(partition)).toEqual({ isPaused: false, first: undefined, lease: null })
  const first = await startChange()
  await startChange()
  expect(await queue.state(partition)).toMatchObject({ first, lease: null })
  expect(await queue.hasWorker(partition)).toBe(false)
  await app.startWorker()
  await eventually(async () => expect(await queue.hasWorker(partition)).toBe(true))
  await eventually(async () => expect(await queue.state(partition)).toMatchObject({ first: undefined }))
})

it('the queue reports that it is paused', async () => {
  const paused = (await queue.queues())[partition]
  await paused?.pause()
  const first = await startChange()
  expect(await queue.state(partition)).toMatchObject({ isPaused: true, first })
  await paused?.resume()
  expect(await queue.state(partition)).toMatchObject({ isPaused: false, first })
})

it('the metrics name the one partition whose queue is stuck', async () => {
  await startChange()
  const waited = async (of: number) => {
    const { text } = await app.client.request('GET', '/metrics')
    return samplesIn(text).get(`throttler_queue_first_command_seconds{partition="${of}"}`)
  }
  await eventually(async () => expect(await waited(partition)).toBeGreaterThan(0))
  const others = [0, 1, 2, 3].filter(other => other !== partition)
  expect(await Promise.all(others.map(waited))).toEqual([0, 0, 0])
})

it('the queue distinguishes a command whose worker lives from an abandoned one', async () => {
  const first = await startChange()
  await redis.rpoplpush(queueKey('wait'), queueKey('active'))
  expect(await queue.state(partition)).toMatchObject({ first, lease: null })
  await redis.set(new ConfigKeys(keyPrefix, partition).lock(first), 'held')
  expect(await queue.state(partition)).toMatchObject({ first, lease: 'held' })
})

it.each(['wait', 'active', 'id', 'events'])(
  'the queue reports a damaged key "%s" as an error that is not an outage of the store',
  async name => {
    await redis.del(queueKey(name))
    await redis.hset(queueKey(name), 'damaged', 'yes')
    const err = await queue.state(partition).catch((err: Error) => err)
    expect(err).toMatchObject({ message: expect.stringContaining('WRONGTYPE') })
    expect(isTransient(err as Error)).toBe(false)
  },
)

it.each([
  ['opts', '{'],
  ['opts', 'null'],
  ['progress', 'half'],
  ['parent', '{'],
  ['parent', '{"id":"a","queueKey":"b"}'],
  ['parentKey', 'nobody'],
  ['rjk', 'nothing'],
  ['ats', 'many'],
  ['atm', 'many'],
])('a worker repairs a job whose "%s" is %s, and applies its command and the next', async (field, text) => {
  const first = await startChange()
  await redis.hset(queueKey(first), field, text)
  const second = await startChange(2)
  await app.startWorker()
  await eventually(async () => {
    const { events } = (await app.client.get('/config/k/history')).body
    expect(events.map(({ commandId }: { commandId: string }) => commandId)).toEqual([first, second])
  })
  await eventually(async () => expect(await queue.state(partition)).toMatchObject({ first: undefined }))
})

it('a worker drops a job that is no job, and applies the next command', async () => {
  const first = await startChange()
  await redis.del(queueKey(first))
  await redis.sadd(queueKey(first), 'no job')
  const second = await startChange(2)
  await app.startWorker()
  await eventually(async () => {
    const { events } = (await app.client.get('/config/k/history')).body
    expect(events.map(({ commandId }: { commandId: string }) => commandId)).toEqual([second])
  })
  await eventually(async () => expect(await queue.state(partition)).toMatchObject({ first: undefined }))
})
