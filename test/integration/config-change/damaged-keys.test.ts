import { randomUUID } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { pino } from 'pino'
import { compactLog } from '../../../src/config-change/maintenance/compact.ts'
import type { LogBounds, MaintainedPartition } from '../../../src/config-change/maintenance/ports.ts'
import { rebuildPartition } from '../../../src/config-change/maintenance/rebuild.ts'
import { verifyPartition } from '../../../src/config-change/maintenance/verify.ts'
import { configPartition } from '../../../src/domain/partition.ts'
import { ConfigKeys, layoutKey } from '../../../src/redis/keys.ts'
import { maintainedPartitions } from '../../../src/redis/policies/maintained-partitions.ts'
import { TestApp } from '../../support/app.ts'
import { expectProblem } from '../http/expect-problem.ts'
import { given } from './given-store.ts'

const silent = { advanced: () => undefined }
const policy = (capacity: number) => ({ capacity, refillTokens: 1 })
const PARTITION = configPartition('k')
/** A key of the same partition as `k`. */
const NEIGHBOUR = Array.from({ length: 100 }, (_, i) => `n-${i}`).find(key => configPartition(key) === PARTITION) ?? ''
/** A key of another partition. */
const STRANGER = Array.from({ length: 100 }, (_, i) => `s-${i}`).find(key => configPartition(key) !== PARTITION) ?? ''

const store = given()
let keyPrefix: string
let app: TestApp
let redis: Redis
let keys: ConfigKeys
let partition: MaintainedPartition
beforeEach(async () => {
  keyPrefix = `t-${randomUUID()}`
  app = await TestApp.start(store(), { variables: { KEY_PREFIX: keyPrefix, LOG_LEVEL: 'silent' } })
  redis = new Redis(store().url)
  keys = new ConfigKeys(keyPrefix, PARTITION)
  partition = maintainedPartitions(redis, keyPrefix)[PARTITION] as MaintainedPartition
  for (const key of ['k', NEIGHBOUR, STRANGER]) await app.client.put(key, policy(5))
})
afterEach(async () => {
  await app.close()
  redis.disconnect()
})

type Damaged = 'log' | 'identity' | 'policies' | 'names' | 'compactedTo' | 'versions' | 'snapshot'
const TYPES: Record<Damaged, string> = {
  log: 'stream',
  identity: 'string',
  policies: 'hash',
  names: 'zset',
  compactedTo: 'string',
  versions: 'zset',
  snapshot: 'hash',
}
const APPENDED: Damaged[] = ['log', 'identity', 'policies', 'names', 'compactedTo', 'versions']
const keyOf = (damaged: Damaged) => (damaged === 'versions' ? keys.versions('k') : keys[damaged])

async function damage(damaged: Damaged): Promise<void> {
  await redis.del(keyOf(damaged))
  await redis.rpush(keyOf(damaged), 'of another type')
}

/** Everything that an append writes to the partition, except for the records of commands. */
async function stored(): Promise<Record<string, string>> {
  const names = [...APPENDED.map(keyOf), keys.versions(NEIGHBOUR)]
  const values = await Promise.all(names.map(name => redis.dumpBuffer(name)))
  return Object.fromEntries(names.map((name, i) => [name, values[i]?.toString('hex') ?? '']))
}

async function verify() {
  const found = []
  for await (const difference of verifyPartition(partition, silent)) found.push(difference)
  return found
}

const named = (damaged: Damaged) => `the key "${keyOf(damaged)}" is of type list instead of ${TYPES[damaged]}`

describe.each(APPENDED)('a key of another type in the place of "%s"', damaged => {
  it('makes a change of its partition fail without writing anything, with an error that names the key', async () => {
    await damage(damaged)
    const before = await stored()
    const answer = await app.client.put('k', policy(6))
    expectProblem(answer, 500, 'internal')
    expect(answer.body.detail).toContain(named(damaged))
    expect(await stored()).toEqual(before)
    expect((await app.client.put(STRANGER, policy(6))).body).toMatchObject({ version: 2 })
  })

  it('makes an import fail without writing anything of its chunk', async () => {
    await damage(damaged)
    const before = await stored()
    const lines = [NEIGHBOUR, 'k'].map(key => `${JSON.stringify({ key, ...policy(7) })}\n`).join('')
    const headers = { 'content-type': 'application/x-ndjson', prefer: 'wait=60' }
    const answer = await app.client.request('POST', '/config/import', lines, headers)
    expectProblem(answer, 500, 'internal')
    expect(answer.body.detail).toContain(named(damaged))
    expect(await stored()).toEqual(before)
  })
})

describe.each(Object.keys(TYPES) as Damaged[])('a process that starts while "%s" is of another type', damaged => {
  it('is ready, and enforces the policies that it can read', async () => {
    await damage(damaged)
    const lines: string[] = []
    const logger = pino({ level: 'error' }, { write: line => void lines.push(line) })
    const late = await TestApp.start(store(), { variables: { KEY_PREFIX: keyPrefix }, worker: false, logger })
    try {
      expect((await late.client.get('/ready')).status).toBe(200)
      expect((await late.client.check(STRANGER, 0)).body.limit).toBe(5)
      expect((await late.client.check('k', 0)).body.limit).toBe(damaged === 'policies' ? 100 : 5)
      expect(lines.some(line => JSON.parse(line).err !== undefined)).toBe(false)
      if (['log', 'identity', 'policies'].includes(damaged))
        expect(lines.join('')).toContain(named(damaged).split('"')[1])
    } finally {
      await late.close()
    }
  })
})

describe('a layout of another type', () => {
  it('is replaced by a process that starts', async () => {
    await redis.del(layoutKey(keyPrefix))
    await redis.rpush(layoutKey(keyPrefix), 'of another type')
    await (await TestApp.start(store(), { variables: { KEY_PREFIX: keyPrefix }, worker: false })).close()
    expect(await redis.get(layoutKey(keyPrefix))).toMatch(/config partitions/)
  })
})

describe('maintenance', () => {
  it.each<[Damaged, string]>([
    ['policies', 'policies'],
    ['names', 'names'],
    ['versions', 'versions'],
    ['identity', 'log'],
    ['compactedTo', 'log'],
  ])('names and repairs "%s" of another type', async (damaged, where) => {
    await damage(damaged)
    expect((await verify()).map(difference => difference.where)).toEqual([where])
    expect(await rebuildPartition(partition, silent)).toMatchObject({ faults: [] })
    expect(await verify()).toEqual([])
    expect((await app.client.put('k', policy(8))).body).toMatchObject({ version: 2 })
    expect((await app.client.get('/config')).body.items).toHaveLength(3)
  })

  it.each<[Damaged, string]>([
    ['policies', 'policies'],
    ['names', 'names'],
    ['log', 'log'],
    ['identity', 'log'],
  ])('names "%s" with a time to live, which a rebuild removes', async (expiring, where) => {
    await redis.pexpire(keyOf(expiring), 3_600_000)
    const expires = expect.stringMatching(/^the key ".*" expires in \d+ ms; run "throttler rebuild" to keep it$/)
    expect(await verify()).toEqual([{ partition: PARTITION, where, detail: expires }])
    const repaired = where === 'log' ? ['lifetime'] : []
    expect(await rebuildPartition(partition, silent)).toEqual({ repaired, faults: [] })
    expect([await redis.pttl(keyOf(expiring)), await verify()]).toEqual([-1, []])
  })

  it.each<Damaged>(['log', 'snapshot'])(
    'names "%s" of another type, and reports that it is not rebuilt',
    async damaged => {
      await damage(damaged)
      expect(await verify()).toEqual([{ partition: PARTITION, where: 'log', detail: named(damaged) }])
      const before = await stored()
      expect(await rebuildPartition(partition, silent)).toEqual({
        repaired: [],
        faults: [named(damaged)],
        skipped: 'its log cannot be read',
      })
      expect(await stored()).toEqual(before)
      await expect(compactLog(partition.log, 1, silent)).rejects.toMatchObject({
        name: expect.stringMatching(/^Damaged/),
      })
    },
  )

  it.each(['1000000000000000000', '1e18', '2', '-1', 'abc', ''])(
    'names and repairs "compacted-to" of %j, which the log contradicts',
    async position => {
      await redis.set(keys.compactedTo, position)
      expect(await verify()).toEqual([
        { partition: PARTITION, where: 'log', detail: expect.stringContaining('the log begins at position 1') },
      ])
      await expect(compactLog(partition.log, 1, silent)).rejects.toThrow('the log begins at position 1')
      expect(await rebuildPartition(partition, silent)).toEqual({ repaired: ['compacted-to'], faults: [] })
      expect([await redis.get(keys.compactedTo), await verify()]).toEqual(['0', []])
    },
  )

  it('repairs "compacted-to" of a log that was compacted', async () => {
    await app.client.put('k', policy(6))
    await app.client.put('k', policy(7))
    await compactLog(partition.log, 1, silent)
    const compactedTo = await redis.get(keys.compactedTo)
    await redis.set(keys.compactedTo, '1000000000000000000')
    await rebuildPartition(partition, silent)
    expect([await redis.get(keys.compactedTo), await verify()]).toEqual([compactedTo, []])
  })

  it('reports a partition that it could not rebuild because its log is replaced constantly', async () => {
    const busy: MaintainedPartition = {
      ...partition,
      log: Object.assign(Object.create(partition.log), {
        repair: () => partition.log.repair(),
        damage: () => partition.log.damage(),
        bounds: () => partition.log.bounds(),
        snapshot: () => partition.log.snapshot(),
        read: async (after: LogBounds) => {
          await redis.set(keys.identity, randomUUID())
          return partition.log.read(after)
        },
      }),
    }
    expect(await rebuildPartition(busy, silent)).toMatchObject({
      skipped: 'the log was replaced while it was read, in each of 20 attempts',
    })
  })
})

it('a change is refused if its position could not be counted exactly', async () => {
  await redis.del(keys.log)
  await redis.set(keys.compactedTo, '1000000000000000000')
  const before = await stored()
  const answer = await app.client.put('k', policy(6))
  expectProblem(answer, 500, 'internal')
  expect(answer.body.detail).toContain('ends at position 1000000000000000000')
  expect(await stored()).toEqual(before)
})
