import { randomUUID } from 'node:crypto'
import { afterEach, beforeEach, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { pino } from 'pino'
import { configPartition } from '../../../src/domain/partition.ts'
import { openQueue } from '../../../src/queues/command-queue.ts'
import { ConfigKeys, queueName } from '../../../src/redis/keys.ts'
import { TestApp } from '../../support/app.ts'
import { eventually } from '../../support/eventually.ts'
import { given } from '../config-change/given-store.ts'

const store = given()
const partition = configPartition('k')
let keyPrefix: string
let redis: Redis
let app: TestApp
let logged: string[]

beforeEach(async () => {
  keyPrefix = `t-${randomUUID()}`
  redis = new Redis(store().url, { maxRetriesPerRequest: null })
  logged = []
  const logger = pino({ level: 'warn' }, { write: line => void logged.push(JSON.parse(line).msg) })
  app = await TestApp.start(store(), { variables: { KEY_PREFIX: keyPrefix }, worker: false, logger })
})
afterEach(async () => {
  await app.close()
  redis.disconnect()
})

/** Applies a change, and queues its job again as one that BullMQ fails without running it. Resolves with the id of the command. */
async function failJobOfAppliedCommand(): Promise<string> {
  await app.startWorker()
  expect((await app.client.put('k', { capacity: 1, refillTokens: 1 })).status).toBe(201)
  const key = (name: string) => `${new ConfigKeys(keyPrefix, partition).queuePrefix}:${queueName(partition)}:${name}`
  const [id = ''] = await eventually(async () => {
    const completed = await redis.zrange(key('completed'), '0', '-1')
    expect(completed).toHaveLength(1)
    return completed
  })
  await redis
    .multi()
    .zrem(key('completed'), id)
    .hdel(key(id), 'finishedOn', 'returnvalue')
    .hset(key(id), 'defa', 'job stalled more than allowable limit')
    .lpush(key('wait'), id)
    .zadd(key('marker'), 0, '0')
    .exec()
  return id
}

it('a command that was applied is not reported as failed, although BullMQ fails its job', async () => {
  const id = await failJobOfAppliedCommand()
  await eventually(() => expect(logged).toContain('the job of a command that has ended failed: it is removed'))
  expect(logged).not.toContain('command failed')
  expect((await app.client.get(`/commands/${id}`)).body).toMatchObject({ status: 'applied', version: 1 })
  const queue = openQueue(redis, keyPrefix, partition)
  await eventually(async () =>
    expect(await queue.getJobCounts('failed', 'active', 'waiting')).toEqual({ failed: 0, active: 0, waiting: 0 }),
  )
  await queue.close()
})
