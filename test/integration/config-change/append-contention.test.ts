import { randomUUID } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { CommandApplier } from '../../../src/config-change/apply/command-applier.ts'
import { ImportApplier } from '../../../src/config-change/apply/import-applier.ts'
import type { CommandQueue } from '../../../src/config-change/ports.ts'
import { type CommandId, commandId, importId, partIds } from '../../../src/domain/command-id.ts'
import type { ImportPart, PutPolicy } from '../../../src/domain/commands.ts'
import { configPartition } from '../../../src/domain/partition.ts'
import { ConfigKeys } from '../../../src/redis/keys.ts'
import { RedisCommandStore } from '../../../src/redis/policies/command-store.ts'
import { RedisImportStaging } from '../../../src/redis/policies/import-staging.ts'
import { RedisPolicyReader } from '../../../src/redis/policies/policy-reader.ts'
import { given } from './given-store.ts'

const CHANGES = 60
const LEASE = 'held'
const NO_QUEUE: CommandQueue = {
  add: async () => undefined,
  addAgain: async () => undefined,
  findQueued: async () => undefined,
}

const key = 'contended'
const partition = configPartition(key)
const limits = (capacity: number) => [{ name: 'default', capacity, refillTokens: 1, refillIntervalMs: 1000 }]

const store = given()
let keyPrefix: string
let redis: Redis
let keys: ConfigKeys
let commands: RedisCommandStore
let staging: RedisImportStaging
let policies: RedisPolicyReader
let applier: CommandApplier
let importer: ImportApplier

beforeEach(() => {
  keyPrefix = `t-${randomUUID()}`
  const kept = { keyPrefix, retentionMs: 60_000 }
  const now = () => new Date()
  redis = new Redis(store().url)
  keys = new ConfigKeys(keyPrefix, partition)
  commands = new RedisCommandStore(redis, kept)
  staging = new RedisImportStaging(redis, kept)
  policies = new RedisPolicyReader(redis, keyPrefix)
  applier = new CommandApplier({ reader: policies, store: commands, now })
  importer = new ImportApplier({ reader: policies, store: commands, staging, queue: NO_QUEUE, now })
})
afterEach(() => redis.disconnect())

/** Simulates a separate worker for each command, without the queue that would run them one at a time. */
async function attempt(id: string) {
  await redis.set(keys.lock(id), LEASE)
  return { isRetry: false, requestId: 'r', lease: LEASE, refusal: undefined }
}

async function put(capacity: number) {
  const id = commandId(key, randomUUID())
  const command: PutPolicy = {
    type: 'put',
    id,
    key,
    actor: 'ops',
    policy: { limits: limits(capacity), mode: 'enforce' },
  }
  return applier.apply(command, await attempt(id))
}

const putAll = () => Promise.all(Array.from({ length: CHANGES }, (_, i) => put(i + 1)))

async function stagedImport(lines: readonly string[]): Promise<ImportPart> {
  const id = importId(randomUUID())
  const part = partIds(id)[partition] as CommandId
  await staging.add(part, lines)
  await staging.seal([{ id: part, chunks: 1 }])
  return { type: 'import-part', id: part, importId: id, actor: 'ops' }
}

const line = (name: string, capacity: number) => JSON.stringify({ key: name, limits: limits(capacity) })
const versions = async () => (await policies.history(key, { after: 0, limit: 1_000 })).map(({ version }) => version)
const numbered = (count: number) => Array.from({ length: count }, (_, i) => i + 1)

it('many concurrent changes of one key are all applied, one after another', async () => {
  const outcomes = await putAll()
  const applied = outcomes.map(outcome => outcome?.status === 'applied' && 'version' in outcome && outcome.version)
  expect(applied.toSorted((a, b) => Number(a) - Number(b))).toEqual(numbered(CHANGES))
  expect(await versions()).toEqual(numbered(CHANGES))
})

it('an import and many concurrent changes of one of its keys are all applied', async () => {
  const part = await stagedImport([line(key, 1_000_000)])
  const [imported, ...changed] = await Promise.all([attempt(part.id).then(how => importer.apply(part, how)), putAll()])
  expect(imported).toMatchObject({ status: 'applied' })
  expect(changed.flat().filter(outcome => outcome?.status !== 'applied')).toEqual([])
  expect(await versions()).toEqual(numbered(CHANGES + 1))
})

describe('an import fails', () => {
  it('with an error that names the policy if its stored state can never match its log', async () => {
    // The line belongs to another partition, in which its key has another version.
    const moved = numbered(100)
      .map(n => `moved-${n}`)
      .find(name => configPartition(name) !== partition) as string
    const elsewhere = new ConfigKeys(keyPrefix, configPartition(moved))
    await redis.zadd(elsewhere.versions(moved), 3, '1')
    const part = await stagedImport([line(moved, 1)])
    await expect(importer.apply(part, await attempt(part.id))).rejects.toThrow(
      `the stored state of the policy "${moved}" does not match its event log`,
    )
  })

  it('if its stored progress is damaged', async () => {
    const part = await stagedImport([line(key, 1)])
    const progress = '{"nextChunk": 0, "counts": {"created": 0, "changed": 0, "unchanged": 0}}'
    await redis.set(keys.progress(part.id), progress)
    await expect(importer.apply(part, await attempt(part.id))).rejects.toThrow(
      'the stored progress of the import is damaged; import the file again',
    )
  })
})
