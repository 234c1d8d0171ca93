import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, it, jest } from '@jest/globals'
import type { Redis } from 'ioredis'
import { commandId, partitionOf } from '../../../src/domain/command-id.ts'
import { createLogger } from '../../../src/observability/logger.ts'
import { BullCommandQueue } from '../../../src/queues/command-queue.ts'
import { CommandWorker } from '../../../src/queues/command-worker.ts'
import { connect } from '../../../src/redis/connection/connection.ts'
import { ConfigKeys, queueName } from '../../../src/redis/keys.ts'
import type { ConfigWorkers } from '../../../workers/config-workers.ts'
import { eventually } from '../../support/eventually.ts'
import { targetOf } from '../../support/target-of.ts'
import { given } from '../config-change/given-store.ts'

/** Longer than a worker without a running command takes to close. */
const LONG_MS = 2_500

/** So long that no worker loses its lock on a command while this process pauses. */
const LOCK_MS = 60_000
jest.unstable_mockModule('../../../src/queues/command-worker.ts', () => ({
  CommandWorker: class extends CommandWorker {
    constructor(...[name, processor, options]: ConstructorParameters<typeof CommandWorker>) {
      super(name, processor, { ...options, lockDuration: LOCK_MS } as typeof options)
    }
  },
}))

const store = given()
const id = commandId('k', randomUUID())
let redis: Redis
let workers: ConfigWorkers
let isTaken: boolean
let finish: () => void
let completedKey: string
let activeKey: string

beforeEach(async () => {
  const keyPrefix = `t-${randomUUID()}`
  const logger = createLogger({ level: 'silent', role: 'test' })
  redis = connect('worker', { target: targetOf(store().url), name: 'test', logger }) as Redis
  isTaken = false
  const finished = new Promise<undefined>(resolve => {
    finish = () => resolve(undefined)
  })
  const { ConfigWorkers } = await import('../../../workers/config-workers.ts')
  workers = new ConfigWorkers({
    connection: redis,
    keyPrefix,
    processor: () => {
      isTaken = true
      return finished
    },
    outcomeOf: async () => undefined,
    importSteps: () => 0,
    failed: () => undefined,
    logger,
  })
  await workers.start()
  const queue = new BullCommandQueue(redis, keyPrefix)
  await queue.add({ type: 'delete', id, key: 'k', actor: 'ops' })
  await queue.close()
  const queueKey = `${new ConfigKeys(keyPrefix, partitionOf(id)).queuePrefix}:${queueName(partitionOf(id))}`
  completedKey = `${queueKey}:completed`
  activeKey = `${queueKey}:active`
})
afterEach(() => redis.disconnect())

it('a worker that closes lets its running command end', async () => {
  await eventually(() => expect(isTaken).toBe(true))
  let isClosed = false
  const closing = workers.close().then(() => {
    isClosed = true
  })
  await sleep(LONG_MS)
  expect(isClosed).toBe(false)
  finish()
  await closing
  expect(await redis.zrange(completedKey, '0', '-1')).toEqual([id])
})

it('a worker that closes leaves a command that does not end to another worker', async () => {
  await eventually(() => expect(isTaken).toBe(true))
  await workers.close()
  expect(await redis.lrange(activeKey, '0', '-1')).toEqual([id])
})

it('a worker that has closed has ended its connections', async () => {
  finish()
  await eventually(async () => expect(await redis.zcard(completedKey)).toBe(1))
  await workers.close()
  await eventually(async () => expect(String(await redis.call('CLIENT', 'LIST'))).not.toContain('cmd=bzpopmin'))
})
