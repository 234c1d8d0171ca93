import { randomUUID } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { compactLog } from '../../../src/config-change/maintenance/compact.ts'
import type { MaintainedPartition } from '../../../src/config-change/maintenance/ports.ts'
import { rebuildPartition } from '../../../src/config-change/maintenance/rebuild.ts'
import { type Difference, verifyPartition } from '../../../src/config-change/maintenance/verify.ts'
import { configPartition } from '../../../src/domain/partition.ts'
import { ConfigKeys } from '../../../src/redis/keys.ts'
import { maintainedPartitions } from '../../../src/redis/policies/maintained-partitions.ts'
import { TestApp } from '../../support/app.ts'
import { eventually } from '../../support/eventually.ts'
import { promised } from '../../support/promised.ts'
import { given } from './given-store.ts'

const silent = { advanced: () => undefined }
const policy = (capacity: number) => ({ capacity, refillTokens: 1 })

const store = given()
let keyPrefix: string
let app: TestApp
let redis: Redis
let partitions: readonly MaintainedPartition[]
beforeEach(async () => {
  keyPrefix = `t-${randomUUID()}`
  app = await TestApp.start(store(), { variables: { KEY_PREFIX: keyPrefix } })
  redis = new Redis(store().url)
  partitions = maintainedPartitions(redis, keyPrefix)
})
afterEach(async () => {
  await app.close()
  redis.disconnect()
})

/** When the temporary policy of the history ends. */
const ENDS_MS = Date.now() + 86_400_000

/** Changes that result in policies, deleted policies, one that was created again and a temporary one. */
async function givenHistory(): Promise<void> {
  for (const capacity of [1, 2, 3]) {
    await Promise.all(
      ['user:*', 'user:1', 'user:2', 'again', 'ü/日本'].map(key => app.client.put(key, policy(capacity))),
    )
  }
  await Promise.all(['user:2', 'again'].map(key => app.client.delete(key)))
  await app.client.put('again', policy(4))
  await app.client.put('raised', policy(4))
  await app.client.put('raised', { ...policy(40), expiresAt: new Date(ENDS_MS).toISOString() })
}

async function verify(): Promise<Difference[]> {
  const differences: Difference[] = []
  for (const partition of partitions) {
    for await (const difference of verifyPartition(partition, silent)) differences.push(difference)
  }
  return differences
}

async function rebuild(): Promise<string[]> {
  const faults = []
  for (const partition of partitions) faults.push(...(await rebuildPartition(partition, silent)).faults)
  return faults
}

async function compact(keep: number): Promise<number> {
  let compacted = 0
  for (const { log } of partitions) compacted += await compactLog(log, keep, silent)
  return compacted
}

const keysOf = (key: string) => new ConfigKeys(keyPrefix, configPartition(key))
const obeyed = async (key: string) => (await app.client.check(key, 0)).body.limit

/** Each damages the projection of one key. */
const damages: [
  what: string,
  where: Difference['where'],
  key: string,
  spoil: (keys: ConfigKeys, key: string) => unknown,
][] = [
  [
    'a field of a policy',
    'policies',
    'user:1',
    async (keys, key) => {
      const record = (await redis.hget(keys.policies, key)) ?? ''
      return redis.hset(keys.policies, key, record.replace('"capacity":3', '"capacity":30'))
    },
  ],
  [
    'a policy that is not valid JSON',
    'policies',
    'user:1',
    (keys, key) => redis.hset(keys.policies, key, '{"version":'),
  ],
  ['a policy that is missing', 'policies', 'user:1', (keys, key) => redis.hdel(keys.policies, key)],
  ['a deleted policy that is still stored', 'policies', 'user:2', (keys, key) => redis.hset(keys.policies, key, '{}')],
  ['a name that is missing', 'names', 'user:1', (keys, key) => redis.zrem(keys.names, key)],
  ['a name out of order', 'names', 'user:1', (keys, key) => redis.zadd(keys.names, 7, key)],
  ['a name without a policy', 'names', 'stranger', (keys, key) => redis.zadd(keys.names, 0, key)],
  ['an end that is missing', 'ends', 'raised', (keys, key) => redis.zrem(keys.ends, key)],
  ['an end at another time', 'ends', 'raised', (keys, key) => redis.zadd(keys.ends, 7, key)],
  ['an end of a lasting policy', 'ends', 'user:1', (keys, key) => redis.zadd(keys.ends, 7, key)],
  ['an end of a key without a policy', 'ends', 'user:2', (keys, key) => redis.zadd(keys.ends, 7, key)],
  ['an index of versions that is missing', 'versions', 'user:2', (keys, key) => redis.del(keys.versions(key))],
  ['a version at a wrong position', 'versions', 'again', (keys, key) => redis.zadd(keys.versions(key), 2, '999')],
  [
    'an index of a key that never existed',
    'versions',
    'stranger',
    (keys, key) => redis.zadd(keys.versions(key), 1, '1'),
  ],
]

describe('verify', () => {
  it('finds no difference in an intact store', async () => {
    expect(await verify()).toEqual([])
    await givenHistory()
    expect(await verify()).toEqual([])
  })

  it('reports a gap in the log', async () => {
    await givenHistory()
    await redis.xdel(keysOf('user:1').log, '2-0')
    const differences = await verify()
    expect(differences[0]).toEqual({
      partition: configPartition('user:1'),
      where: 'log',
      detail: 'position 3 follows position 1',
    })
  })

  it('reports a command that was applied to its key twice', async () => {
    await app.client.put('user:1', policy(1))
    const keys = keysOf('user:1')
    const [[, [, text = '']]] = (await redis.xrange(keys.log, '1-0', '1-0')) as [[string, string[]]]
    await redis.xadd(keys.log, '2-0', 'event', JSON.stringify({ ...JSON.parse(text), version: 2 }))
    await redis.zadd(keys.versions('user:1'), 2, 2)
    expect((await verify()).filter(({ where }) => where === 'log')).toEqual([
      {
        partition: configPartition('user:1'),
        where: 'log',
        detail: `position 2 applies command ${JSON.parse(text).commandId} to "user:1" a second time`,
      },
    ])
  })

  it('does not mistake a concurrent change for a difference', async () => {
    let isOver = false
    const changes = (async () => {
      for (let capacity = 1; !isOver; capacity++) {
        await Promise.all(['a', 'b', 'c*', 'd'].map(key => app.client.put(key, policy(capacity))))
        if (capacity % 3 === 0) await app.client.delete('a')
      }
    })()
    try {
      for (let i = 0; i < 5; i++) {
        expect(await verify()).toEqual([])
        await compact(20)
      }
    } finally {
      isOver = true
      await changes
    }
  })
})

describe('rebuild', () => {
  it.each([
    ['last event', 1],
    ['only events', 3],
  ])('makes changes possible again after the %s of a log was deleted', async (_, count) => {
    const { log } = new ConfigKeys(keyPrefix, configPartition('user:1'))
    for (const capacity of [1, 2, 3]) await app.client.put('user:1', policy(capacity))
    const last = await redis.xrevrange(log, '+', '-', 'COUNT', count)
    await redis.xdel(log, ...last.map(([id]) => id))

    const damage = expect.stringContaining(`events after position ${3 - count}, up to 3, were deleted from "${log}"`)
    expect(await verify()).toContainEqual(expect.objectContaining({ where: 'log', detail: damage }))
    expect(await rebuild()).toEqual([])
    expect(await verify()).toEqual([])
    const { status, body } = await app.client.put('user:1', policy(4))
    expect([status, body.version]).toEqual([count === 3 ? 201 : 200, 4 - count])
    expect(await verify()).toEqual([])
  })

  it.each(damages)('repairs %s, which verify names', async (_, where, key, spoil) => {
    await givenHistory()
    const before = await app.client.get('/config')
    await spoil(keysOf(key), key)
    expect(await verify()).toEqual([
      { partition: configPartition(key), where, key, detail: expect.stringMatching(/^has .*, the log says /) },
    ])
    expect(await rebuild()).toEqual([])
    expect(await verify()).toEqual([])
    expect((await app.client.get('/config')).body).toEqual(before.body)
  })

  it('makes every process reload what was damaged', async () => {
    await app.client.put('user:1', policy(3))
    const { policies } = keysOf('user:1')
    const record = (await redis.hget(policies, 'user:1')) ?? ''
    await redis.hset(policies, 'user:1', record.replace('"capacity":3', '"capacity":30'))
    const late = await TestApp.start(store(), { variables: { KEY_PREFIX: keyPrefix }, worker: false })
    expect((await late.client.check('user:1', 0)).body.limit).toBe(30)
    await rebuild()
    await eventually(async () => expect((await late.client.check('user:1', 0)).body.limit).toBe(3), promised(2_000))
    await late.close()
  })

  it('loses no concurrent change, and leaves no draft', async () => {
    let isOver = false
    const versions = new Map<string, number>()
    const changes = Promise.all(
      ['a', 'b', 'c*', 'd', 'e'].map(async key => {
        for (let capacity = 1; !isOver; capacity++) {
          const { body, status } = await app.client.put(key, policy(capacity))
          expect([status, body.version]).toEqual([capacity === 1 ? 201 : 200, capacity])
          versions.set(key, body.version)
        }
      }),
    )
    await redis.hset(keysOf('a').policies, 'stranger', '{}')
    try {
      for (let i = 0; i < 5; i++) expect(await rebuild()).toEqual([])
    } finally {
      isOver = true
      await changes
    }
    expect(await verify()).toEqual([])
    for (const [key, version] of versions) {
      expect((await app.client.get(`/config/${key}`)).body.version).toBe(version)
    }
    expect(await redis.keys(`*${keyPrefix}*draft*`)).toEqual([])
  })
})

describe('compaction', () => {
  it('keeps the given number of events of each partition, and every policy', async () => {
    await givenHistory()
    const before = await app.client.get('/config')
    const lengths = () => Promise.all(partitions.map(({ number }) => redis.xlen(new ConfigKeys(keyPrefix, number).log)))
    const excess = (await lengths()).map(length => Math.max(0, length - 2))
    expect(await compact(2)).toBe(excess.reduce((a, b) => a + b))
    expect(Math.max(...(await lengths()))).toBe(2)
    expect(await compact(2)).toBe(0)
    expect((await app.client.get('/config')).body).toEqual(before.body)
    expect(await verify()).toEqual([])
  })

  it('removes older versions, but not the current ones of policies and deletions', async () => {
    await givenHistory()
    await compact(1)
    expect((await app.client.get('/config/user:1?version=2')).body).toMatchObject({ code: 'version-not-found' })
    expect((await app.client.get('/config/user:1?version=3')).body).toMatchObject({
      version: 3,
      limits: [{ capacity: 3 }],
    })
    expect((await app.client.put('user:1', policy(3))).body).toMatchObject({ version: 3 })
    expect((await app.client.put('user:1', policy(9))).body).toMatchObject({ version: 4 })
    expect((await app.client.put('user:2', policy(9))).body).toMatchObject({ version: 5 })
    await compact(1)
    expect(await verify()).toEqual([])
    expect((await app.client.get('/config/user:2')).body).toMatchObject({ version: 5 })
  })

  it('makes a lagging process reload', async () => {
    await app.client.put('user:1', policy(1))
    const resets = async () => Number(/log_resets_total (\d+)/.exec((await app.client.get('/metrics')).text)?.[1])
    const { log, compactedTo, policies } = keysOf('user:1')
    const record = (await redis.hget(policies, 'user:1')) ?? ''
    await redis.hset(policies, 'user:1', record.replace('"capacity":1', '"capacity":2'))
    // As if the process had slept while the log was compacted past it: the event at its position is missing.
    await redis.multi().xtrim(log, 'MINID', '2-0').set(compactedTo, '1').exec()
    await eventually(async () => expect(await obeyed('user:1')).toBe(2), promised(2_000))
    expect(await resets()).toBe(0)
  })

  it('can run several times at once, during changes', async () => {
    const changes = (async () => {
      for (let capacity = 1; capacity <= 30; capacity++) {
        await Promise.all(['a', 'b', 'c*', 'd'].map(key => app.client.put(key, policy(capacity))))
      }
    })()
    let isOver = false
    const compactions = Promise.all(
      Array.from({ length: 3 }, async () => {
        while (!isOver) await compact(5)
      }),
    )
    await changes
    isOver = true
    await compactions
    expect(await verify()).toEqual([])
    for (const key of ['a', 'b', 'c*', 'd']) expect((await app.client.get(`/config/${key}`)).body.version).toBe(30)
  })

  it('leaves a log from which policies can be rebuilt', async () => {
    await givenHistory()
    await compact(1)
    const before = await app.client.get('/config')
    for (const { number } of partitions) {
      const { policies, names } = new ConfigKeys(keyPrefix, number)
      await redis.del(policies, names)
    }
    await rebuild()
    expect((await app.client.get('/config')).body).toEqual(before.body)
    expect(await verify()).toEqual([])
  })
})
