import { randomUUID } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { type Difference, verifyPartition } from '../../../src/config-change/maintenance/verify.ts'
import { type ImportId, parseImportId, partIds } from '../../../src/domain/command-id.ts'
import { createLogger } from '../../../src/observability/logger.ts'
import { BullCommandQueue } from '../../../src/queues/command-queue.ts'
import { announcementChannel } from '../../../src/redis/keys.ts'
import { maintainedPartitions } from '../../../src/redis/policies/maintained-partitions.ts'
import { readEnv } from '../../../src/settings/env.ts'
import { composeWorker, type WorkerParts } from '../../../workers/compose-worker.ts'
import { TestApp } from '../../support/app.ts'
import { eventually } from '../../support/eventually.ts'
import { StoreProxy } from '../../support/store-proxy.ts'
import { expectProblem } from '../http/expect-problem.ts'
import { given } from './given-store.ts'

/** Time limit for another worker to take over and end the command. */
const TAKEN_OVER_WITHIN_MS = 10_000

const policy = (capacity: number) => ({ capacity, refillTokens: 1 })
const keysOf = (count: number) => Array.from({ length: count }, (_, i) => `key:${i}`)

const store = given()
let keyPrefix: string
let app: TestApp
let redis: Redis
let proxy: StoreProxy
let stale: WorkerParts

beforeEach(async () => {
  keyPrefix = `t-${randomUUID()}`
  redis = new Redis(store().url)
  proxy = await StoreProxy.start(store().url)
  await givenApp({})
})
afterEach(async () => {
  await stale.close()
  await app.close()
  await proxy.stop()
  redis.disconnect()
})

/** An app whose commands the worker behind the proxy takes first; the app's own worker starts later. */
async function givenApp(variables: Readonly<Record<string, string>>): Promise<void> {
  const all = { KEY_PREFIX: keyPrefix, LOG_LEVEL: 'silent', ...variables }
  app = await TestApp.start(store(), { variables: all, worker: false })
  const env = readEnv({ needsRedis: true }, { REDIS_URL: proxy.url, ...all })
  stale = composeWorker(env, createLogger({ level: 'silent', role: 'test' }))
  await stale.workers.start()
}

/** A text that is among the arguments of every append. */
const append = () => announcementChannel(keyPrefix)

async function startImport(keys: readonly string[], capacity: number, query = ''): Promise<string> {
  const file = keys.map(key => `${JSON.stringify({ key, ...policy(capacity) })}\n`).join('')
  const headers = { 'content-type': 'application/x-ndjson' }
  return (await app.client.request('POST', `/config/import${query}`, file, headers)).body.commandId
}

const isApplied = (commandId: string) =>
  eventually(async () => {
    expect((await app.client.get(`/commands/${commandId}`)).body).toMatchObject({ status: 'applied' })
  }, TAKEN_OVER_WITHIN_MS)

/** Resumes the suspended worker, and resolves once it has closed. */
async function letGoOn(): Promise<void> {
  proxy.release()
  await stale.close()
}

async function verify(): Promise<Difference[]> {
  const differences: Difference[] = []
  for (const partition of maintainedPartitions(redis, keyPrefix)) {
    for await (const found of verifyPartition(partition, { advanced: () => undefined })) differences.push(found)
  }
  return differences
}

const capacityOf = async (key: string) => (await app.client.get(`/config/${key}`)).body.limits[0].capacity
const commandsOf = async (key: string): Promise<string[]> =>
  (await app.client.get(`/config/${key}/history`)).body.events.map(({ commandId }: { commandId: string }) => commandId)

async function expectAppliedOnce(keys: readonly string[]): Promise<void> {
  const histories = await Promise.all(keys.map(commandsOf))
  for (const commands of histories) expect(commands).toHaveLength(new Set(commands).size)
  expect(await verify()).toEqual([])
}

describe('an import whose worker is suspended with a step in flight', () => {
  it('undoes no change that was made after another worker completed the import', async () => {
    const keys = keysOf(160)
    const held = proxy.hold(append())
    const commandId = await startImport(keys, 1)
    await held
    await app.startWorker()
    await isApplied(commandId)
    const changes = await Promise.all(keys.map(key => app.client.put(key, policy(2))))
    expect(new Set(changes.map(({ status }) => status))).toEqual(new Set([200]))
    await letGoOn()
    const capacities = await Promise.all(keys.map(capacityOf))
    expect(capacities.filter(capacity => capacity !== 2)).toEqual([])
    await expectAppliedOnce(keys)
  })

  it('stays applied when that step was not its first', async () => {
    const keys = keysOf(1_200)
    const commandId = await startImport(keys, 1)
    await proxy.hold('"nextChunk":2')
    await app.startWorker()
    await isApplied(commandId)
    await letGoOn()
    await isApplied(commandId)
    expect(await redis.keys(`{${keyPrefix}:config-*}:failure:*`)).toEqual([])
    await expectAppliedOnce(keys.slice(0, 20))
  })
})

describe('an import that prunes, whose worker is suspended with a step in flight', () => {
  it.each([
    ['while it prunes', '"prunedTo"'],
    ['before its first step', undefined],
  ])('%s undoes no change that was made after another worker completed the import', async (_, text) => {
    await startImport(keysOf(1_000), 1).then(isApplied)
    const held = proxy.hold(text ?? append())
    const commandId = await startImport(['key:0'], 1, '?prune=key:')
    await held
    await app.startWorker()
    await isApplied(commandId)
    expect((await app.client.get(`/commands/${commandId}`)).body).toMatchObject({ unchanged: 1, deleted: 999 })
    const keys = keysOf(300)
    const changes = await Promise.all(keys.map(key => app.client.put(key, policy(2))))
    expect(new Set(changes.map(({ status }) => status))).toEqual(new Set([200, 201]))
    await letGoOn()
    await isApplied(commandId)
    const capacities = await Promise.all(keys.map(capacityOf))
    expect(capacities.filter(capacity => capacity !== 2)).toEqual([])
    expect(await redis.keys(`{${keyPrefix}:config-*}:failure:*`)).toEqual([])
    await expectAppliedOnce(keys.slice(0, 40))
  })
})

describe('a part of an import that is queued again', () => {
  it('after the outcome of the import has expired is neither applied nor failed', async () => {
    const commandId = await startImport(keysOf(8), 1)
    await isApplied(commandId)
    await redis.del(...(await redis.keys(`{${keyPrefix}:config-*}:outcome:*`)))
    await redis.del(...(await redis.keys(`{${keyPrefix}:config-*}:config-*:*`)))
    const queue = new BullCommandQueue(redis, keyPrefix)
    const importId = parseImportId(commandId) as ImportId
    for (const id of partIds(importId)) {
      await queue.add({ id, type: 'import-part', importId, actor: 'ops' })
    }
    await eventually(async () => expect(await queue.countJobs()).toMatchObject({ completed: 4, failed: 0 }))
    await queue.close()
    expectProblem(await app.client.get(`/commands/${commandId}`), 404, 'command-not-found')
    await expectAppliedOnce(keysOf(8))
  })
})

describe('a change whose worker is suspended with its append in flight', () => {
  it('is not applied again once its outcome has expired', async () => {
    const held = proxy.hold(append())
    const { commandId } = (await app.client.request('PUT', '/config/k', policy(1))).body
    await held
    await app.startWorker()
    await isApplied(commandId)
    expect((await app.client.put('k', policy(2))).status).toBe(200)
    // As if the retention time had passed, and the grace period after it.
    await redis.del(...(await redis.keys(`{${keyPrefix}:config-*}:outcome:*`)))
    await letGoOn()
    expect(await capacityOf('k')).toBe(2)
    await expectAppliedOnce(['k'])
  })
})
