import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { configPartition } from '../../../src/domain/partition.ts'
import { ConfigKeys } from '../../../src/redis/keys.ts'
import { describeWithRedis } from '../../support/describe-with-redis.ts'
import { RedisServer } from '../../support/redis-server.ts'
import { StoreChanges } from '../../support/store-changes.ts'

const KEY = 'user:1'
const keys = new ConfigKeys('throttler', configPartition(KEY))

describeWithRedis('a user that loses a right while the service runs', () => {
  let server: RedisServer
  let redis: Redis
  let changes: StoreChanges
  beforeAll(async () => {
    server = await RedisServer.start()
    redis = new Redis(server.url)
  })
  beforeEach(async () => {
    await redis.flushall()
    changes = new StoreChanges(redis)
    await changes.change(KEY)
    await changes.change(KEY)
  })
  afterAll(async () => {
    redis.disconnect()
    await server.stop()
  })

  async function stored(): Promise<unknown> {
    const { log, policies, names, ends, compactedTo, snapshot } = keys
    return Promise.all([
      redis.xrange(log, '-', '+'),
      redis.hgetall(policies),
      redis.zrange(names, '0', '-1', 'WITHSCORES'),
      redis.zrange(ends, '0', '-1', 'WITHSCORES'),
      redis.zrange(keys.versions(KEY), '0', '-1', 'WITHSCORES'),
      redis.get(compactedTo),
      redis.hgetall(snapshot),
    ])
  }

  async function expectNothingIn(attempt: () => Promise<unknown>, lost: string): Promise<void> {
    const before = await stored()
    await redis.acl('SETUSER', 'default', `-${lost}`)
    await expect(attempt()).rejects.toThrow(/can't run this command|NOPERM/)
    await redis.acl('SETUSER', 'default', `+${lost}`)
    expect(await stored()).toEqual(before)
    await attempt()
    expect(await stored()).not.toEqual(before)
  }

  it.each(['set', 'xadd', 'hset', 'hdel', 'zadd', 'zrem'])('changes nothing without %s', async lost => {
    await expectNothingIn(() => changes.change(KEY), lost)
  })

  it.each(['set', 'xadd', 'hdel', 'zadd', 'zrem'])('deletes nothing without %s', async lost => {
    await expectNothingIn(() => changes.change(KEY, { type: 'deleted', policy: null }), lost)
  })

  it.each(['set', 'hset', 'xtrim', 'zremrangebyscore'])('compacts nothing without %s', async lost => {
    await expectNothingIn(() => changes.compact(configPartition(KEY), 1), lost)
  })
})
