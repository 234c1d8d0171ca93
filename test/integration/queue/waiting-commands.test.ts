import { randomUUID } from 'node:crypto'
import { afterEach, beforeEach, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { configPartition } from '../../../src/domain/partition.ts'
import { BullCommandQueue } from '../../../src/queues/command-queue.ts'
import { isTransient } from '../../../src/redis/connection/transient.ts'
import { ConfigKeys, queueName } from '../../../src/redis/keys.ts'
import { TestApp } from '../../support/app.ts'
import { eventually } from '../../support/eventually.ts'
import { given } from '../config-change/given-store.ts'

const partition = configPartition('k')
const POLICY = { capacity: 1, refillTokens: 1 }

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

const startChange = async () => (await app.client.request('PUT', '/config/k', POLICY)).body.commandId
const waitList = () => `${new ConfigKeys(keyPrefix, partition).queuePrefix}:${queueName(partition)}:wait`

it('the queue reports the next command, and whether a worker is connected', async () => {
  expect(await queue.state(partition)).toEqual({ isPaused: false, next: undefined, active: [], isWorkedOn: false })
  const first = await startChange()
  await startChange()
  expect(await queue.state(partition)).toMatchObject({ next: first, active: [], isWorkedOn: false })
  expect(await queue.hasWorker(partition)).toBe(false)
  await app.startWorker()
  await eventually(async () => expect(await queue.hasWorker(partition)).toBe(true))
  await eventually(async () => expect(await queue.state(partition)).toMatchObject({ next: undefined, active: [] }))
})

it('the queue reports that it is paused', async () => {
  const paused = (await queue.queues())[partition]
  await paused?.pause()
  const first = await startChange()
  expect(await queue.state(partition)).toMatchObject({ isPaused: true, next: first })
  await paused?.resume()
  expect(await queue.state(partition)).toMatchObject({ isPaused: false, next: first })
})

it('the queue distinguishes a command whose worker lives from an abandoned one', async () => {
  const first = await startChange()
  await redis.rpoplpush(waitList(), waitList().replace(/wait$/, 'active'))
  expect(await queue.state(partition)).toMatchObject({ active: [first], isWorkedOn: false })
  await redis.set(new ConfigKeys(keyPrefix, partition).lock(first), 'held')
  expect(await queue.state(partition)).toMatchObject({ active: [first], isWorkedOn: true })
})

it('the queue reports a damaged list as an error that is not an outage of the store', async () => {
  await redis.set(waitList(), 'damaged')
  const err = await queue.state(partition).catch((err: Error) => err)
  expect(err).toMatchObject({ message: expect.stringContaining('WRONGTYPE') })
  expect(isTransient(err as Error)).toBe(false)
})
