import { execFileSync, spawnSync } from 'node:child_process'
import { linkSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import type { Redis } from 'ioredis'
import { configPartition } from '../../src/domain/partition.ts'
import { ConnectionName } from '../../src/redis/connection/connection-names.ts'
import { ConfigKeys } from '../../src/redis/keys.ts'
import { EmbeddedStore } from '../support/embedded-store.ts'
import { eventually } from '../support/eventually.ts'
import { writeLongJournal } from '../support/long-journal.ts'
import { definitionOf } from '../support/policies.ts'
import { StoreChanges } from '../support/store-changes.ts'

const KEYS = Array.from({ length: 20 }, (_, i) => `key-${i}`)

let dataDir: string
let store: EmbeddedStore
const clients: Redis[] = []
beforeEach(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'throttler-store-'))
  store = await EmbeddedStore.start({ dataDir })
})
afterEach(async () => {
  for (const client of clients.splice(0)) client.disconnect()
  await store.kill()
  rmSync(dataDir, { recursive: true })
})

/** @returns a connection as workers have it */
async function start(env: Readonly<Record<string, string>> = {}): Promise<Redis> {
  store = await EmbeddedStore.start({ dataDir, env })
  return connect(ConnectionName.worker)
}

function connect(connectionName: string): Redis {
  const client = store.connect({
    connectionName,
    maxRetriesPerRequest: 0,
    retryStrategy: () => 50,
    disconnectTimeout: 100,
  })
  client.on('error', () => undefined)
  clients.push(client)
  return client
}

const journalPath = () => join(dataDir, 'journal.ndjson')
const journalLines = () => readFileSync(journalPath(), 'utf8').trimEnd().split('\n')
const logOf = (key: string) => new ConfigKeys('throttler', configPartition(key)).log

/** Everything in a store, with the time to live of each key in hours. */
async function contentOf(redis: Redis): Promise<Record<string, unknown>> {
  const contents = (await redis.keys('*')).sort().map(async key => {
    const ttl = await redis.pttl(key)
    return [key, { value: await read(redis, key), hours: Math.ceil(ttl / 3_600_000) }]
  })
  return Object.fromEntries(await Promise.all(contents))
}

async function read(redis: Redis, key: string): Promise<unknown> {
  const type = await redis.type(key)
  if (type === 'hash') return redis.hgetall(key)
  if (type === 'zset') return redis.zrange(key, 0, '-1', 'WITHSCORES')
  if (type === 'stream') return redis.xrange(key, '-', '+')
  const text = (await redis.get(key)) ?? ''
  // Members of an object have no order.
  return text.startsWith('{') ? JSON.parse(text) : text
}

/** The policies in a store, without the outcomes of commands, which a compaction removes, and without buckets. */
async function policiesOf(redis: Redis): Promise<Record<string, unknown>> {
  const contents = Object.entries(await contentOf(redis))
  return Object.fromEntries(contents.filter(([key]) => /^\{throttler:config-\d\}:(?!outcome:)/.test(key)))
}

async function changeALot(redis: Redis): Promise<StoreChanges> {
  const changes = new StoreChanges(redis)
  for (const key of KEYS) await changes.change(key)
  for (const key of KEYS.slice(0, 10)) await changes.change(key, { idempotency: { key, fingerprint: 'f' } })
  for (const key of KEYS.slice(5, 15)) await changes.change(key, { type: 'deleted', policy: null })
  for (const key of KEYS.slice(12, 18)) await changes.change(key, { type: 'rolled-back' })
  const policy = { ...definitionOf(), expiresAt: '2099-01-31T12:00:00.000Z', then: null }
  for (const key of KEYS.slice(16, 19)) await changes.change(key, { schema: 2, policy, lasting: definitionOf() })
  await changes.change(KEYS[18] ?? '', { schema: 2, type: 'expired', policy: definitionOf() })
  return changes
}

describe('a store that is filled from its journal', () => {
  it('has the same value of each key as before', async () => {
    const before = connect(ConnectionName.worker)
    await changeALot(before)
    const held = await contentOf(before)
    await store.kill()
    expect(await contentOf(await start())).toEqual(held)
    expect(store.said).toMatchObject([{ events: 50, msg: 'the journal was replayed' }])
  })

  it('keeps data that was written with a clock in the future for as long as other data', async () => {
    const before = connect(ConnectionName.worker)
    const changes = new StoreChanges(before)
    await changes.change('k', { at: '2099-01-01T00:00:00.000Z', idempotency: { key: 'k', fingerprint: 'f' } })
    const held = await contentOf(before)
    await store.kill()
    expect(await contentOf(await start())).toEqual(held)
  })

  it('after a compaction, continues versions and positions', async () => {
    const redis = connect(ConnectionName.worker)
    const changes = await changeALot(redis)
    await changes.compact(configPartition('key-1'), 5)
    const event = await changes.change('key-1')
    const compactedTo = [0, 1, 2, 3].map(partition => (partition === configPartition('key-1') ? 5 : 0))
    expect(JSON.parse(journalLines().at(-1) ?? '')).toEqual({ compactedTo, ...event })
    await changes.change('key-2')
    expect(JSON.parse(journalLines().at(-1) ?? '')).not.toHaveProperty('compactedTo')
    const expected = await redis.xrevrange(logOf('key-1'), '+', '-', 'COUNT', 1)
    const version = await changes.versionOf('key-1')
    await store.kill()
    const again = await start()
    expect(await again.xrevrange(logOf('key-1'), '+', '-', 'COUNT', 1)).toEqual(expected)
    expect(await new StoreChanges(again).change('key-1')).toMatchObject({ version: version + 1 })
  })

  it('refuses clients until it is filled', async () => {
    await changeALot(connect(ConnectionName.worker))
    await store.kill()
    store = EmbeddedStore.spawn({ dataDir, env: {} })
    const eager = connect(ConnectionName.config)
    await eventually(async () => expect(await eager.ping()).toBe('PONG'))
    expect(await eager.xlen(logOf('key-1'))).toBeGreaterThan(0)
    expect(store.messages()).toEqual(['the journal was replayed'])
  })

  it.each([
    ['is missing', (l: string[]) => l.toSpliced(1, 1), /line 2 of .* is damaged: it has version 2 of "k" instead of 1/],
    ['is duplicated', (l: string[]) => l.toSpliced(2, 0, l[1] ?? ''), /line 3 of .*: it has version 1 .* instead of 2/],
    [
      'comes too early',
      ([a = '', b = '', c = '']: string[]) => [a, c, b],
      /line 2 of .*: it has version 2 .* instead of 1/,
    ],
    ['is null', (l: string[]) => [...l, 'null'], /line 4 of .* is damaged: it must be a JSON object \(got null\)/],
    [
      'has a malformed member',
      ([header = '', first = '', second = '']: string[]) => [
        header,
        first.replace('"capacity":10', '"capacity":-10'),
        second,
      ],
      /line 2 of .*: "policy.limits\[0\].capacity" must be an integer between 1 and 1000000000 \(got -10\)/,
    ],
    [
      'is compacted further than its log',
      ([header = '', first = '']: string[]) => [header, `{"position":3,"event":${first}}`],
      /line 2 of .*: "position" must be at most 0, as "compactedTo" says of its partition \(got 3\)/,
    ],
    [
      'follows a malformed header',
      ([header = '', ...events]: string[]) => [header.replace('[0,0,0,0]', 'null'), ...events],
      /line 1 of .*: "compactedTo" must be an array of 4 integers \(got null\)/,
    ],
  ])('refuses a journal in which an event %s', async (_, damage, report) => {
    const changes = new StoreChanges(connect(ConnectionName.worker))
    for (let i = 0; i < 2; i++) await changes.change('k')
    await store.kill()
    writeFileSync(journalPath(), `${damage(journalLines()).join('\n')}\n`)
    const refused = await start().catch(err => err)
    expect(refused.message).toMatch(report)
    expect(refused.message).toMatch(/restore the file from a backup$/)
  })
})

describe('a journal that is long enough for a thread of its own', () => {
  beforeEach(() => store.kill())

  // The commands of the last event alone are few bytes.
  it.each([10_001, 12_345])('is replayed to its end, and continued, after %i events', async count => {
    await writeLongJournal(dataDir, count)
    const redis = await start()
    const log = logOf('k')
    expect(await redis.xlen(log)).toBe(count)
    const event = await new StoreChanges(redis).change('k')
    expect(event.version).toBe(count + 1)
    expect(JSON.parse(journalLines().at(-1) ?? '')).toEqual(event)
    const { policies } = new ConfigKeys('throttler', configPartition('k'))
    const held = await redis.hgetall(policies)
    await store.kill()
    const restarted = await start()
    expect(await restarted.xlen(logOf('k'))).toBe(count + 1)
    expect(await restarted.hgetall(policies)).toEqual(held)
  })

  it('is refused if its last line is damaged', async () => {
    await writeLongJournal(dataDir, 12_345)
    writeFileSync(journalPath(), `${journalLines().slice(0, -1).join('\n')}\nnull\n`)
    await expect(start()).rejects.toThrow(/line 12346 of .* is damaged: it must be a JSON object \(got null\)/)
  })
})

describe('a store that is emptied from outside', () => {
  it.each(['FLUSHALL', 'FLUSHDB'])('(%s) keeps later changes, and nothing else', async command => {
    const redis = connect(ConnectionName.worker)
    await changeALot(redis)
    const identity = new ConfigKeys('throttler', configPartition('key-1')).identity
    const before = await redis.get(identity)
    await redis.call(command)
    const changes = new StoreChanges(redis)
    for (let i = 0; i < 3; i++) await changes.change('key-1')
    const held = await contentOf(redis)
    expect(await redis.get(identity)).not.toBe(before)
    expect(store.messages()).toContain('the store was emptied: its journal is rewritten')
    await store.kill()
    expect(await contentOf(await start())).toMatchObject(held)
  })

  it('just before a change that makes the log as long as it was keeps that change', async () => {
    const redis = connect(ConnectionName.worker)
    await new StoreChanges(redis).change('key-1')
    const changes = new StoreChanges(redis)
    void redis.call('FLUSHALL')
    const event = await changes.change('key-1')
    await store.kill()
    expect(await (await start()).xrange(logOf('key-1'), '-', '+')).toEqual([['1-0', ['event', JSON.stringify(event)]]])
  })

  it('stays empty without a later change', async () => {
    const redis = connect(ConnectionName.worker)
    await changeALot(redis)
    await redis.call('FLUSHALL')
    await store.stop()
    expect(await (await start()).exists(logOf('key-1'))).toBe(0)
  })

  it.each(['key-1', 'new'])(
    'is filled again after it refused a change of %s because only its log was deleted',
    async changed => {
      const redis = connect(ConnectionName.worker)
      const changes = await changeALot(redis)
      const held = await redis.xrange(logOf(changed), '-', '+')
      await redis.del(logOf(changed))
      await expect(changes.change(changed)).rejects.toThrow()
      await eventually(() => expect(store.process.exitCode).not.toBeNull())
      expect(await (await start()).xrange(logOf(changed), '-', '+')).toEqual(held)
    },
  )

  it('is not confused with one whose log got another identity by a rebuild', async () => {
    const redis = connect(ConnectionName.worker)
    const changes = await changeALot(redis)
    await redis.set(new ConfigKeys('throttler', configPartition('key-1')).identity, 'rebuilt')
    for (let i = 0; i < 2; i++) await changes.change('key-1')
    const held = await redis.xrange(logOf('key-1'), '-', '+')
    expect(store.messages()).toEqual([])
    await store.kill()
    expect(await (await start()).xrange(logOf('key-1'), '-', '+')).toEqual(held)
  })
})

describe('a store whose journal is removed', () => {
  const REMOVALS: [what: string, remove: () => void][] = [
    ['the file', () => rmSync(journalPath())],
    ['the directory', removeDirectory],
    [
      'the directory, which is created again,',
      () => {
        removeDirectory()
        mkdirSync(dataDir, { recursive: true })
      },
    ],
  ]

  it.each(REMOVALS)('(%s) writes it again from memory, without a change', async (_, remove) => {
    const redis = connect(ConnectionName.worker)
    const changes = await changeALot(redis)
    await changes.compact(configPartition('key-1'), 5)
    const held = await policiesOf(redis)
    remove()
    await eventually(() => expect(store.messages()).toContain('the journal can be written again: changes are accepted'))
    expect(store.said).toContainEqual(
      expect.objectContaining({ path: journalPath(), msg: 'the journal was removed: it is written again from memory' }),
    )
    await store.kill()
    expect(await policiesOf(await start())).toEqual(held)
  })

  it.each(REMOVALS)('(%s) accepts changes again, and serves buckets meanwhile', async (_, remove) => {
    const [worker, buckets] = [connect(ConnectionName.worker), connect(ConnectionName.buckets)]
    const changes = await changeALot(worker)
    remove()
    for (let i = 1; i <= 100; i++) expect(await buckets.incr('bucket')).toBe(i)
    await eventually(() => new StoreChanges(worker).change('after'))
    await changes.change('key-19')
    const held = await policiesOf(worker)
    await store.kill()
    expect(await policiesOf(await start())).toEqual(held)
  })

  it('writes it again before it stops', async () => {
    const redis = connect(ConnectionName.worker)
    await changeALot(redis)
    const held = await policiesOf(redis)
    removeDirectory()
    await store.stop()
    expect(await policiesOf(await start())).toEqual(held)
  })

  it('does not touch a journal that was put in its place, and refuses changes', async () => {
    const changes = new StoreChanges(connect(ConnectionName.worker))
    await changes.change('before')
    const restored = `${journalLines()[0]}\n`
    putInPlace(restored)
    await expect(changes.change('during')).rejects.toThrow(
      /^MISCONF cannot write .*journal.ndjson was changed by another process; restart the service to read it/,
    )
    await store.stop()
    expect(readFileSync(journalPath(), 'utf8')).toBe(restored)
  })

  it('refuses changes until its own journal is back, and says both once', async () => {
    await new StoreChanges(connect(ConnectionName.worker)).change('before')
    linkSync(journalPath(), join(dataDir, 'own'))
    putInPlace(`${readFileSync(journalPath(), 'utf8')}more`)
    await eventually(() => expect(aboutJournal()).toHaveLength(1))
    const worker = connect(ConnectionName.worker)
    const startedAt = performance.now()
    while (performance.now() - startedAt < TWO_RETRIES_MS) await expect(worker.ping()).rejects.toThrow()
    renameSync(join(dataDir, 'own'), journalPath())
    await eventually(() => expect(aboutJournal()).toHaveLength(2))
    expect(aboutJournal()).toEqual([
      'the journal cannot be written: changes are refused',
      'the journal can be written again: changes are accepted',
    ])
  })
})

/** Removes the directory at once. The store may write into it while its files are removed one by one. */
function removeDirectory(): void {
  const removed = `${dataDir}-removed`
  renameSync(dataDir, removed)
  rmSync(removed, { recursive: true })
}

/** Replaces the journal by another file at once, so that the store never finds none. */
function putInPlace(content: string): void {
  const foreign = join(dataDir, 'foreign')
  writeFileSync(foreign, content)
  renameSync(foreign, journalPath())
}

/** How long the store takes to check its journal twice, with a margin. */
const TWO_RETRIES_MS = 1_200

const aboutJournal = () => store.messages().filter(message => message.startsWith('the journal can'))

/** Limits the size of every file that the process writes. Any user may do that. */
const limitFileSize = (bytes: number | 'unlimited') =>
  execFileSync('prlimit', ['--pid', String(store.process.pid), `--fsize=${bytes}:`])
const describeWithPrlimit = spawnSync('prlimit', ['--version']).status === 0 ? describe : describe.skip

describeWithPrlimit('a store whose disk is full (needs prlimit)', () => {
  it('serves no change that is not on disk, still serves buckets, and recovers by itself', async () => {
    const [worker, buckets] = [connect(ConnectionName.worker), connect(ConnectionName.buckets)]
    const changes = new StoreChanges(worker)
    await changes.change('before')
    const written = readFileSync(journalPath())
    limitFileSize(written.length + 100)

    await expect(changes.change('during')).rejects.toThrow(/^MISCONF cannot write .*journal.ndjson: EFBIG/)
    const follower = connect(ConnectionName.config)
    await expect(follower.xlen(logOf('during'))).rejects.toThrow()
    for (let i = 1; i <= 100; i++) expect(await buckets.incr('bucket')).toBe(i)
    await expect(changes.change('during')).rejects.toThrow()
    expect(store.said.filter(({ level }) => level >= 50)).toEqual([
      expect.objectContaining({
        msg: 'the journal cannot be written: changes are refused',
        path: journalPath(),
        code: 'EFBIG',
      }),
    ])

    limitFileSize('unlimited')
    await eventually(async () => expect(await new StoreChanges(follower).versionOf('during')).toBe(1))
    expect(store.messages()).toContain('the journal can be written again: changes are accepted')
    expect(store.process.exitCode).toBeNull()
    expect(await buckets.get('bucket')).toBe('100')
    await eventually(() => new StoreChanges(worker).change('after'))
    const held = await contentOf(worker)
    await store.kill()
    const { bucket: _, ...durable } = held
    expect(await contentOf(await start())).toEqual(durable)
  })

  it('and that is killed keeps the changes that it had written before', async () => {
    const changes = new StoreChanges(connect(ConnectionName.worker))
    await changes.change('before')
    limitFileSize(readFileSync(journalPath()).length + 100)
    await expect(changes.change('during')).rejects.toThrow()
    await store.kill()
    const again = new StoreChanges(await start())
    expect([await again.versionOf('before'), await again.versionOf('during')]).toEqual([1, 0])
  })
})
