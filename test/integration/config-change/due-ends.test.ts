import { afterEach, beforeEach, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { DamagedKey } from '../../../src/config-change/damaged-store.ts'
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
afterEach(async () => {
  await redis.flushall()
  redis.disconnect()
})

const inPartitionOf = (key: string) =>
  Array.from({ length: 100 }, (_, i) => `more-${i}`).filter(other => configPartition(other) === configPartition(key))
const keysOf = (key: string) => new ConfigKeys(PREFIX, configPartition(key))
const dueKeys = async (key: string, limit: number) =>
  (await new RedisPolicyReader(redis, PREFIX).dueEnds(configPartition(key), limit)).map(({ key }) => key).toSorted()

it('neither a damaged key nor keys that are listed by mistake hide the ends of others', async () => {
  const changes = new StoreChanges(redis)
  for (const key of ['damaged', 'ended', 'lasting']) await changes.change(key, { schema: 2, policy: ENDED })
  await changes.change('lasting', { policy: definitionOf() })
  await redis.del(keysOf('damaged').versions('damaged'))
  const listed = Array.from({ length: 250 }, (_, i) => [0, `nobody-${i}`]).flat()
  await redis.zadd(keysOf('ended').ends, ...listed)
  expect(await dueKeys('ended', 500)).toEqual(['ended'])
})

it('an index of versions of another type concerns its own key alone', async () => {
  const changes = new StoreChanges(redis)
  const [other = ''] = inPartitionOf('ended')
  for (const key of ['ended', other]) await changes.change(key, { schema: 2, policy: ENDED })
  await redis.set(keysOf(other).versions(other), 'x')
  expect(await dueKeys('ended', 500)).toEqual(['ended'])
})

it('a list of ends of another type concerns its own partition alone', async () => {
  const changes = new StoreChanges(redis)
  const other = [0, 1, 2].map(n => `gone-${n}`).find(key => configPartition(key) !== configPartition('ended')) ?? ''
  for (const key of ['ended', other]) await changes.change(key, { schema: 2, policy: ENDED })
  await redis.set(keysOf(other).ends, 'x')
  expect(await dueKeys('ended', 500)).toEqual(['ended'])
  await expect(dueKeys(other, 500)).rejects.toThrow(DamagedKey)
  expect(await new RedisPolicyReader(redis, PREFIX).countInside('gone-*')).toBe(1)
})

it('at most as many are returned of each partition as asked for', async () => {
  const changes = new StoreChanges(redis)
  for (const key of inPartitionOf('ended').slice(0, 3)) await changes.change(key, { schema: 2, policy: ENDED })
  expect(await dueKeys('ended', 2)).toHaveLength(2)
  expect(await dueKeys('ended', 500)).toHaveLength(3)
})
