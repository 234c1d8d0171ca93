import { randomUUID } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { pino } from 'pino'
import type { MaintainedPartition } from '../../../src/config-change/maintenance/ports.ts'
import { rebuildPartition } from '../../../src/config-change/maintenance/rebuild.ts'
import { verifyPartition } from '../../../src/config-change/maintenance/verify.ts'
import { configPartition } from '../../../src/domain/partition.ts'
import { ConfigKeys } from '../../../src/redis/keys.ts'
import { maintainedPartitions } from '../../../src/redis/policies/maintained-partitions.ts'
import { TestApp } from '../../support/app.ts'
import { eventually } from '../../support/eventually.ts'
import { expectProblem } from '../http/expect-problem.ts'
import { given } from './given-store.ts'

const silent = { advanced: () => undefined }
const policy = (capacity: number) => ({ capacity, refillTokens: 1 })
const limit = { name: 'default', capacity: 1, refillTokens: 1, refillIntervalMs: 1000 }
const record = (definition: unknown, more = {}) =>
  JSON.stringify({ version: 1, updatedAt: '2026-01-01T00:00:00.000Z', updatedBy: 'ops', policy: definition, ...more })

/** Damaged values of a stored policy. */
const DAMAGES: [what: string, stored: string][] = [
  ['invalid JSON', 'not JSON'],
  ['half a record', '{"version":1,"poli'],
  ['null', 'null'],
  ['an array', '[]'],
  ['a number', '7'],
  ['an empty object', '{}'],
  ['a record without a version', record({ limits: [limit], mode: 'enforce' }, { version: null })],
  ['no policy', record(null)],
  ['a policy without limits', record({ mode: 'enforce' })],
  ['no limits', record({ limits: [], mode: 'enforce' })],
  ['limits that are not a list', record({ limits: { 0: limit }, mode: 'enforce' })],
  ['a limit that is null', record({ limits: [null], mode: 'enforce' })],
  ['text for a number', record({ limits: [{ ...limit, capacity: '10' }], mode: 'enforce' })],
  ['a number that is NaN', record({ limits: [{ ...limit, capacity: Number.NaN }], mode: 'enforce' })],
  ['a fraction', record({ limits: [{ ...limit, refillTokens: 0.5 }], mode: 'enforce' })],
  ['a number that is too large', record({ limits: [{ ...limit, capacity: 2 ** 60 }], mode: 'enforce' })],
  ['a limit without a name', record({ limits: [{ ...limit, name: undefined }], mode: 'enforce' })],
  ['a duplicate name', record({ limits: [limit, limit], mode: 'enforce' })],
  ['an unknown mode', record({ limits: [limit], mode: 'lenient' })],
  ['an unknown onStoreFailure', record({ limits: [limit], mode: 'enforce', onStoreFailure: 'pray' })],
]

const store = given()
let keyPrefix: string
let app: TestApp
let redis: Redis
let keys: ConfigKeys

beforeEach(async () => {
  keyPrefix = `t-${randomUUID()}`
  app = await TestApp.start(store(), { variables: { KEY_PREFIX: keyPrefix, LOG_LEVEL: 'silent' } })
  redis = new Redis(store().url)
  keys = new ConfigKeys(keyPrefix, configPartition('damaged'))
  for (const key of ['damaged', 'sound', 'user:*']) await app.client.put(key, policy(5))
})
afterEach(async () => {
  await app.close()
  redis.disconnect()
})

const damage = (stored: string) => redis.hset(keys.policies, 'damaged', stored)

/** Passes a front process that starts now, and its log lines. */
async function withLateProcess<T>(use: (late: TestApp, said: () => { key?: string; msg: string }[]) => Promise<T>) {
  const lines: string[] = []
  const logger = pino({ level: 'warn' }, { write: line => void lines.push(line) })
  const variables = { KEY_PREFIX: keyPrefix, LOG_KEYS: 'hash' }
  const late = await TestApp.start(store(), { variables, worker: false, logger })
  try {
    return await use(late, () => lines.map(line => JSON.parse(line)))
  } finally {
    await late.close()
  }
}

const damageLines = (lines: { msg: string }[]) => lines.filter(({ msg }) => msg.startsWith('a policy is damaged'))

describe('a damaged policy', () => {
  it.each(DAMAGES)('that contains %s affects no other policy, and can be replaced', async (_, stored) => {
    await damage(stored)
    const list = await app.client.get('/config')
    expect([list.status, list.body.items.map(({ key }: { key: string }) => key)]).toEqual([200, ['sound', 'user:*']])
    expect((await app.client.get('/config/export')).text.split('\n')).toHaveLength(3)

    const answer = await app.client.get('/config/damaged')
    expectProblem(answer, 503, 'config-store-unavailable')
    expect(answer.body.detail).toContain('throttler rebuild')

    expect((await app.client.put('sound', policy(6))).status).toBe(200)
    expect((await app.client.put('damaged', policy(5))).body).toMatchObject({ version: 2 })
    expect((await app.client.get('/config/damaged')).body).toMatchObject({ version: 2, limits: [{ capacity: 5 }] })
  })

  it('can be deleted, rolled back, and replaced by an import', async () => {
    await damage('null')
    expect((await app.client.delete('damaged')).status).toBe(204)
    await app.client.put('damaged', policy(1))
    await damage('null')
    const rollback = { version: 1 }
    const answer = await app.client.request('POST', '/config/damaged/rollback', rollback, { prefer: 'wait=60' })
    expect(answer.body).toMatchObject({ version: 4, limits: [{ capacity: 5 }] })
    await damage('null')
    const imported = await app.client.request(
      'POST',
      '/config/import',
      `${JSON.stringify({ key: 'damaged', ...policy(5) })}\n`,
      {
        'content-type': 'application/x-ndjson',
        prefer: 'wait=60',
      },
    )
    expect(imported.body).toMatchObject({ changed: 1 })
    expect((await app.client.get('/config/damaged')).body).toMatchObject({ version: 5 })
  })

  it('is skipped by a process that starts, which logs it once and enforces the other policies', async () => {
    await damage('null')
    await withLateProcess(async (late, said) => {
      expect((await late.client.get('/ready')).status).toBe(200)
      const limitOf = async (key: string) => (await late.client.check(key, 0)).body.limit
      expect(await Promise.all(['damaged', 'sound', 'user:1'].map(limitOf))).toEqual([100, 5, 5])
      for (let i = 0; i < 3; i++) await late.client.get('/config')
      expect(damageLines(said())).toMatchObject([{ key: expect.stringMatching(/^[0-9a-f]{12}$/) }])
      expect(JSON.stringify(said())).not.toContain('"damaged"')

      await app.client.put('damaged', policy(7))
      await eventually(async () => expect(await limitOf('damaged')).toBe(7))
      await damage('null')
      await late.client.get('/config')
      expect(damageLines(said())).toHaveLength(2)
    })
  })

  it('is reported by verify, and restored by rebuild in every process', async () => {
    await damage('null')
    await withLateProcess(async late => {
      const partitions = maintainedPartitions(redis, keyPrefix)
      const verify = async () => {
        const found = []
        for (const partition of partitions) for await (const one of verifyPartition(partition, silent)) found.push(one)
        return found
      }
      expect(await verify()).toMatchObject([{ where: 'policies', key: 'damaged' }])
      for (const partition of partitions) {
        expect(await rebuildPartition(partition, silent)).toEqual({ repaired: [], faults: [] })
      }
      expect(await verify()).toEqual([])
      await eventually(async () => expect((await late.client.check('damaged', 0)).body.limit).toBe(5))
    })
  })
})

const LONG_NAME = 'n'.repeat(300)

describe.each([
  [
    'valid UTF-8',
    ['fffe', 'ff', 'c328', '75ff'],
    ['\\xff\\xfe', '\\xff', '\\xc3(', 'u\\xff'],
    /^is not a config key: it is not valid UTF-8$/,
  ],
  [
    'a config key',
    ['b\u0001x', 'default', 'a*b', '', LONG_NAME].map(name => Buffer.from(name).toString('hex')),
    ['b\\x01x', 'default', 'a*b', '', LONG_NAME],
    /^is not a config key: (?:.*control character U\+0001|"default" is reserved|the key has a "\*" at|the key is empty|.*300 bytes)/,
  ],
])('a name that is not %s', (_, hex, SHOWN, WHY) => {
  const NAMES = hex.map(bytes => Buffer.from(bytes, 'hex'))
  beforeEach(async () => {
    const stored = record({ limits: [limit], mode: 'enforce' })
    for (const name of NAMES) await redis.multi().zadd(keys.names, '0', name).hset(keys.policies, name, stored).exec()
  })
  const keysOf = (items: { key: string }[]) => items.map(({ key }) => key)

  it('is skipped by lists and exports', async () => {
    expect(keysOf((await app.client.get('/config')).body.items)).toEqual(['damaged', 'sound', 'user:*'])
    const first = (await app.client.get('/config?limit=2')).body
    expect(keysOf(first.items)).toEqual(['damaged', 'sound'])
    const second = (await app.client.get(`/config?limit=2&cursor=${first.nextCursor}`)).body
    expect([keysOf(second.items), second.nextCursor]).toEqual([['user:*'], undefined])
    expect(keysOf((await app.client.get('/config?prefix=u')).body.items)).toEqual(['user:*'])
    expect((await app.client.get('/config/export')).text.split('\n')).toHaveLength(4)
  })

  it('is logged by a process that starts, which does not enforce its policy', async () => {
    await withLateProcess(async (late, said) => {
      expect((await late.client.check('\ufffd\ufffd', 0)).body.policy).toBe('default')
      await late.client.get('/config')
      expect(damageLines(said()).map(line => (line as { key?: string }).key)).toHaveLength(NAMES.length)
    })
  })

  it('is reported by verify and removed by rebuild', async () => {
    const partition = maintainedPartitions(redis, keyPrefix)[configPartition('damaged')] as MaintainedPartition
    const found = []
    for await (const { where, key, detail } of verifyPartition(partition, silent)) {
      expect(detail).toMatch(WHY)
      found.push(`${where} ${key}`)
    }
    expect(found.sort()).toEqual(['names', 'policies'].flatMap(where => SHOWN.map(key => `${where} ${key}`)).sort())
    await rebuildPartition(partition, silent)
    for await (const difference of verifyPartition(partition, silent)) throw new Error(difference.detail)
    const left = (await redis.zrangeBuffer(keys.names, '0', '-1')).map(name => name.toString('hex'))
    expect(left.filter(name => hex.includes(name))).toEqual([])
  })
})

describe('a damaged event', () => {
  it('is reported by verify, and prevents a rebuild', async () => {
    await redis.xadd(keys.log, '100-0', 'event', 'not JSON')
    const partition = maintainedPartitions(redis, keyPrefix)[configPartition('damaged')]
    if (partition === undefined) throw new Error('there is no such partition')
    const details = []
    for await (const { detail } of verifyPartition(partition, silent)) details.push(detail)
    expect(details).toContain('the event at position 100 is damaged')
    const before = await redis.hgetall(keys.policies)
    expect(await rebuildPartition(partition, silent)).toMatchObject({
      faults: expect.arrayContaining(['the event at position 100 is damaged']),
      skipped: 'its log holds an event that cannot be read',
    })
    expect(await redis.hgetall(keys.policies)).toEqual(before)
  })

  it('makes only its own version and history unreadable', async () => {
    await app.client.put('damaged', policy(6))
    await redis.zadd(keys.versions('damaged'), 3, 100)
    await redis.xadd(keys.log, '100-0', 'event', 'not JSON')
    for (const path of ['/config/damaged?version=3', '/config/damaged/history']) {
      const answer = await app.client.get(path)
      expectProblem(answer, 503, 'config-store-unavailable')
      expect(answer.body.detail).toContain('the event at position 100 is damaged')
    }
    expect((await app.client.get('/config/damaged')).status).toBe(200)
    expect((await app.client.get('/config/sound/history')).status).toBe(200)
  })
})

describe('an index of versions', () => {
  const index = () => keys.versions('damaged')
  const harms: [what: string, harm: () => Promise<unknown>][] = [
    ['is missing', () => redis.del(index())],
    ['holds an infinite version', () => redis.zadd(index(), 'inf', '77')],
    ['holds half a version', () => redis.zadd(index(), 2.5, '77')],
    ['holds a version that is too large to count', () => redis.zadd(index(), 1e300, '77')],
  ]

  it.each(harms)(
    'that %s does not restart versions, does not block other keys, and can be rebuilt',
    async (_, harm) => {
      await harm()
      expect((await app.client.put('damaged', policy(6))).status).toBe(500)
      const neighbour = Array.from({ length: 100 }, (_, i) => `other-${i}`).find(
        key => configPartition(key) === configPartition('damaged'),
      )
      expect((await app.client.put(neighbour ?? '', policy(1))).status).toBe(201)
      expect((await app.client.get('/config/damaged')).body).toMatchObject({ version: 1, limits: [{ capacity: 5 }] })

      const partition = maintainedPartitions(redis, keyPrefix)[configPartition('damaged')]
      if (partition === undefined) throw new Error('there is no such partition')
      await rebuildPartition(partition, silent)
      expect((await app.client.put('damaged', policy(7))).body).toMatchObject({ version: 2, limits: [{ capacity: 7 }] })
    },
  )

  it.each(['abc', '1.5', '-3', '', '01', '9'.repeat(20)])(
    'that holds the position "%s" is named as damaged',
    async member => {
      await redis.del(index())
      await redis.zadd(index(), 1, member)
      for (const path of ['/config/damaged?version=1', '/config/damaged/history']) {
        const answer = await app.client.get(path)
        expectProblem(answer, 503, 'config-store-unavailable')
        expect(answer.body.detail).toBe(
          `the index of versions contains "${member}", which is not a position; run "throttler rebuild"`,
        )
      }
    },
  )
})
