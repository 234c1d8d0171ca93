import { randomUUID } from 'node:crypto'
import { Redis } from 'ioredis'
import { partitionOf } from '../../../../src/domain/command-id.ts'
import { configPartition } from '../../../../src/domain/partition.ts'
import { BullCommandQueue } from '../../../../src/queues/command-queue.ts'
import { ConfigKeys, idempotencyKeyOf } from '../../../../src/redis/keys.ts'
import { RedisAnnouncements } from '../../../../src/redis/policies/announcements.ts'
import { RedisCommandStore } from '../../../../src/redis/policies/command-store.ts'
import { RedisEventLog } from '../../../../src/redis/policies/event-log.ts'
import { RedisIdempotencyStore } from '../../../../src/redis/policies/idempotency-store.ts'
import { RedisImportStaging } from '../../../../src/redis/policies/import-staging.ts'
import { RedisPolicyReader } from '../../../../src/redis/policies/policy-reader.ts'
import { describePorts } from '../../../support/port-suite.ts'
import { given } from '../given-store.ts'

const store = given()
const IGNORED = { damaged: () => undefined, unreadable: () => undefined }

describePorts('Redis', async now => {
  const keyPrefix = `t-${randomUUID()}`
  const retention = { keyPrefix, retentionMs: 60_000 }
  const redis = new Redis(store().url, { maxRetriesPerRequest: null })
  const subscriber = new Redis(store().url, { lazyConnect: true })
  await redis.ping()
  const queue = new BullCommandQueue(redis, keyPrefix)
  const keysOf = (partition: number) => new ConfigKeys(keyPrefix, partition)
  const announcements = new RedisAnnouncements(subscriber, keyPrefix, () => undefined)
  return {
    reader: new RedisPolicyReader(redis, keyPrefix, undefined, now),
    store: new RedisCommandStore(redis, retention),
    log: new RedisEventLog(redis, keyPrefix, IGNORED),
    announcements: {
      subscribe: listener => {
        announcements.subscribe(listener)
        void subscriber.connect()
      },
    },
    staging: new RedisImportStaging(redis, retention),
    idempotency: new RedisIdempotencyStore(redis, retention),
    queue,
    lend: async (id, lease) => void (await redis.set(keysOf(partitionOf(id)).lock(id), lease)),
    damagePolicy: async key => void (await redis.hset(keysOf(configPartition(key)).policies, key, 'not JSON')),
    damageClaim: async scope => void (await redis.set(idempotencyKeyOf(keyPrefix, scope), 'not JSON')),
    replaceLog: async partition => {
      const { log, identity } = keysOf(partition)
      await redis.multi().del(log).set(identity, randomUUID()).exec()
    },
    close: async () => {
      await queue.close()
      redis.disconnect()
      subscriber.disconnect()
    },
  }
})
