import { beforeEach, expect, it } from '@jest/globals'
import type { Redis } from 'ioredis'
import type { MaintainedPartition } from '../../../src/config-change/maintenance/ports.ts'
import { rebuildPartition } from '../../../src/config-change/maintenance/rebuild.ts'
import { verifyPartition } from '../../../src/config-change/maintenance/verify.ts'
import { configPartition } from '../../../src/domain/partition.ts'
import type { ConfigKeys } from '../../../src/redis/keys.ts'
import { RedisMaintainedProjection } from '../../../src/redis/policies/maintained-projection.ts'
import type { TestApp } from '../../support/app.ts'
import { givenPartition } from './given-partition.ts'

const silent = { advanced: () => undefined }
const policy = { capacity: 1, refillTokens: 1 }
const PARTITION = configPartition('a')
/** Keys of the partition, the last of which is created during the rebuild. */
const [late, ...KEYS] = Array.from({ length: 30 }, (_, i) => `key:${i}`).filter(
  key => configPartition(key) === PARTITION,
) as [string, ...string[]]

const present = givenPartition(PARTITION)
let keys: ConfigKeys
let app: TestApp
let redis: Redis
let partition: MaintainedPartition
beforeEach(() => {
  ;({ keys, app, redis, partition } = present())
})

const anyDraft = () => keys.draft('*', 'writes').replace(/writes$/, '*')
const drafts = () => redis.keys(anyDraft())

/** After the first write to a draft, the store loses it, and a change leads to a second write. */
async function lose(): Promise<void> {
  await redis.del(...(await drafts()))
  expect((await app.client.put(late, policy)).status).toBe(201)
}

it('a rebuild whose draft is lost in part begins again, and loses no policy', async () => {
  for (const key of KEYS) expect((await app.client.put(key, policy)).status).toBe(201)
  const projection = partition.projection
  const begin = projection.draft.bind(projection)
  let draftCount = 0
  projection.draft = () => {
    const draft = begin()
    const isLost = draftCount++ === 0
    return {
      use: (...args) => draft.use(...args),
      write: async policies => {
        const isFirst = policies.length === KEYS.length
        await draft.write(policies)
        if (isLost && isFirst) await lose()
      },
    }
  }
  expect(await rebuildPartition(partition, silent)).toEqual({ repaired: [], faults: [] })
  expect(await redis.hkeys(keys.policies)).toHaveLength(KEYS.length + 1)
  for await (const difference of verifyPartition(partition, silent)) expect(difference).toBeUndefined()
  expect(draftCount).toBe(2)
})

it('an index of versions of which some are lost is not used', async () => {
  const versions = Array.from({ length: 501 }, (_, i) => ({ version: i + 1, position: i + 1 }))
  const lossy = redis.duplicate()
  const pipeline = lossy.pipeline.bind(lossy)
  let writes = 0
  lossy.pipeline = () => {
    if (writes++ === 0) return pipeline()
    const loseDrafts = `for _, key in ipairs(redis.call('KEYS', ARGV[1])) do redis.call('DEL', key) end`
    return pipeline().eval(loseDrafts, 0, anyDraft())
  }
  const { bounds } = await partition.projection.find('a')
  const replace = (client: Redis) => new RedisMaintainedProjection(client, keys).replaceVersions('a', versions, bounds)
  expect(await replace(lossy)).toBe(false)
  expect([writes, await redis.zcard(keys.versions('a'))]).toEqual([2, 0])
  expect(await replace(redis)).toBe(true)
  expect(await redis.zcard(keys.versions('a'))).toBe(501)
  expect(await drafts()).toEqual([])
  lossy.disconnect()
})
