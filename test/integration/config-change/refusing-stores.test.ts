import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import type { MaintainedPartition } from '../../../src/config-change/maintenance/ports.ts'
import { rebuildPartition } from '../../../src/config-change/maintenance/rebuild.ts'
import { verifyPartition } from '../../../src/config-change/maintenance/verify.ts'
import { configPartition } from '../../../src/domain/partition.ts'
import { ConfigKeys } from '../../../src/redis/keys.ts'
import { maintainedPartitions } from '../../../src/redis/policies/maintained-partitions.ts'
import { describeWithRedis } from '../../support/describe-with-redis.ts'
import { RedisServer } from '../../support/redis-server.ts'
import { StoreChanges } from '../../support/store-changes.ts'

const KEY = 'user:1'
const PARTITION = configPartition(KEY)
const keys = new ConfigKeys('throttler', PARTITION)
const silent = { advanced: () => undefined }

/** How the names of the partition's keys begin. */
const NAMES = [
  ...['log', 'identity', 'policies', 'names', 'ends', 'compacted-to', 'snapshot', 'versions'],
  ...['outcome', 'progress', 'draft', 'write-probe'],
]

describeWithRedis('a policy store that is full', () => {
  it('is verified like any other', async () => {
    const server = await RedisServer.start()
    const redis = new Redis(server.url)
    try {
      await new StoreChanges(redis).change(KEY)
      await redis.hset(keys.policies, KEY, '{}')
      await redis.config('SET', 'maxmemory', '1')
      await expect(redis.set('any', '')).rejects.toThrow('OOM')
      const partition = maintainedPartitions(redis, 'throttler')[PARTITION] as MaintainedPartition
      const found = []
      for await (const difference of verifyPartition(partition, silent)) found.push(difference)
      expect(found).toEqual([expect.objectContaining({ where: 'policies', key: KEY })])
    } finally {
      redis.disconnect()
      await server.stop()
    }
  })
})

describeWithRedis('a user that loses a right while the service runs', () => {
  let server: RedisServer
  let redis: Redis
  let changes: StoreChanges
  beforeAll(async () => {
    server = await RedisServer.start()
    redis = new Redis(server.url)
  })
  beforeEach(async () => {
    await redis.acl('SETUSER', 'default', '+@all', '~*')
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
    const { log, identity, policies, names, ends, compactedTo, snapshot } = keys
    return Promise.all([
      redis.xinfo('STREAM', log),
      redis.xrange(log, '-', '+'),
      redis.type(identity),
      redis.dumpBuffer(identity),
      redis.hgetall(policies),
      redis.zrange(names, '0', '-1', 'WITHSCORES'),
      redis.zrange(ends, '0', '-1', 'WITHSCORES'),
      redis.zrange(keys.versions(KEY), '0', '-1', 'WITHSCORES'),
      redis.get(compactedTo),
      redis.hgetall(snapshot),
    ])
  }

  interface Loss {
    readonly lose: readonly string[]
    readonly restore: readonly string[]
    readonly refusal: string
  }

  const command = (lost: string): Loss => ({
    lose: [`-${lost}`],
    restore: [`+${lost}`],
    refusal: `NOPERM this user may not run ${lost.toUpperCase()}`,
  })

  /** The right to write to keys whose names begin so. */
  const keysOf = (lost: string): Loss => ({
    lose: ['resetkeys', '%R~*', ...NAMES.filter(name => name !== lost).map(name => `~*}:${name}*`)],
    restore: ['~*'],
    refusal: 'NOPERM this user has no permissions to access',
  })

  async function expectNothingIn(attempt: () => Promise<unknown>, { lose, restore, refusal }: Loss): Promise<void> {
    const before = await stored()
    await redis.acl('SETUSER', 'default', ...lose)
    await expect(attempt()).rejects.toThrow(refusal)
    await redis.acl('SETUSER', 'default', ...restore)
    expect(await stored()).toEqual(before)
    await attempt()
    expect(await stored()).not.toEqual(before)
  }

  function rebuild() {
    return rebuildPartition(maintainedPartitions(redis, 'throttler')[PARTITION] as MaintainedPartition, silent)
  }

  it.each(['set', 'xadd', 'hset', 'hdel', 'zadd', 'zrem'])('changes nothing without %s', async lost => {
    await expectNothingIn(() => changes.change(KEY), command(lost))
  })

  it.each(['log', 'names', 'versions'])('changes nothing without the keys of "%s"', async lost => {
    await expectNothingIn(() => changes.change(KEY), keysOf(lost))
  })

  it.each(['set', 'xadd', 'hdel', 'zadd', 'zrem'])('deletes nothing without %s', async lost => {
    await expectNothingIn(() => changes.change(KEY, { type: 'deleted', policy: null }), command(lost))
  })

  it.each(['set', 'hset', 'xtrim', 'zremrangebyscore'])('compacts nothing without %s', async lost => {
    await expectNothingIn(() => changes.compact(PARTITION, 1), command(lost))
  })

  it.each(['log', 'compacted-to', 'versions'])('compacts nothing without the keys of "%s"', async lost => {
    await expectNothingIn(() => changes.compact(PARTITION, 1), keysOf(lost))
  })

  it.each(['set', 'unlink', 'rename', 'persist'])('replaces no policies without %s', async lost => {
    await expectNothingIn(rebuild, command(lost))
  })

  it.each(['policies', 'names', 'ends'])('replaces no policies without the keys of "%s"', async lost => {
    await expectNothingIn(rebuild, keysOf(lost))
  })

  describe('repairs nothing', () => {
    beforeEach(async () => {
      const [last] = await redis.xrevrange(keys.log, '+', '-', 'COUNT', 1)
      await redis.xdel(keys.log, last?.[0] ?? '')
      await redis.del(keys.identity)
      await redis.rpush(keys.identity, 'of another type')
      await redis.pexpire(keys.log, 3_600_000)
    })

    it.each(['set', 'xadd', 'del', 'rename', 'persist'])('without %s', async lost => {
      await expectNothingIn(rebuild, command(lost))
    })

    it('without the key of the log', async () => {
      await expectNothingIn(rebuild, keysOf('log'))
    })

    it('in a Redis without memory', async () => {
      const before = await stored()
      await redis.config('SET', 'maxmemory', 1)
      await expect(rebuild()).rejects.toThrow(/^OOM /)
      await redis.config('SET', 'maxmemory', 0)
      expect(await stored()).toEqual(before)
    })
  })
})
