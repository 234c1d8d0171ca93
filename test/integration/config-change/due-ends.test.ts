import { afterEach, beforeEach, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { configPartition } from '../../../src/domain/partition.ts'
import { ConfigKeys } from '../../../src/redis/keys.ts'
import { RedisPolicyReader } from '../../../src/redis/policies/policy-reader.ts'
import { definitionOf } from '../../support/policies.ts'
import { StoreChanges } from '../../support/store-changes.ts'
import { given } from './given-store.ts'

const PREFIX = 'throttler'
const ENDED = { ...definitionOf(), expiresAt: '2020-01-31T12:00:00.000Z', then: null }

const store = given()
let redis: Redis
beforeEach(() => {
  redis = new Redis(store().url)
})
afterEach(() => redis.disconnect())

const keysOf = (key: string) => new ConfigKeys(PREFIX, configPartition(key))
const dueKeys = async (limit: number) =>
  (await new RedisPolicyReader(redis, PREFIX).dueEnds(limit)).map(({ key }) => key).toSorted()

it('neither a damaged key nor keys that are listed by mistake hide the ends of others', async () => {
  const changes = new StoreChanges(redis)
  for (const key of ['damaged', 'ended', 'lasting']) await changes.change(key, { schema: 2, policy: ENDED })
  await changes.change('lasting', { policy: definitionOf() })
  await redis.del(keysOf('damaged').versions('damaged'))
  const listed = Array.from({ length: 250 }, (_, i) => [0, `nobody-${i}`]).flat()
  await redis.zadd(keysOf('ended').ends, ...listed)
  expect(await dueKeys(500)).toEqual(['ended'])
})

it('at most as many are returned of each partition as asked for', async () => {
  const changes = new StoreChanges(redis)
  const partition = configPartition('ended')
  const inPartition = Array.from({ length: 100 }, (_, i) => `more-${i}`).filter(
    key => configPartition(key) === partition,
  )
  for (const key of inPartition.slice(0, 3)) await changes.change(key, { schema: 2, policy: ENDED })
  expect(await dueKeys(2)).toHaveLength(2)
  expect(await dueKeys(500)).toHaveLength(4)
})
