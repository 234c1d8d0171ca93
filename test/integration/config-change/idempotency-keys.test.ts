import { randomUUID } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { type CommandId, commandId, importId, partIds } from '../../../src/domain/command-id.ts'
import { BullCommandQueue } from '../../../src/queues/command-queue.ts'
import { idempotencyKeyOf } from '../../../src/redis/keys.ts'
import { RedisIdempotencyStore } from '../../../src/redis/policies/idempotency-store.ts'
import { TestApp } from '../../support/app.ts'
import { eventually } from '../../support/eventually.ts'
import { expectProblem } from '../http/expect-problem.ts'
import { given } from './given-store.ts'

/** Short, so that tests can wait for its end, but long enough for a few requests on a busy machine. */
const RETENTION_MS = 4_000
const SCOPE = { actor: 'anonymous', key: 'once' }
const FOR_EVER = -1
const GONE = -2

const policy = (capacity: number) => ({ capacity, refillTokens: 1 })
const store = given()
let keyPrefix: string
let redis: Redis
let keys: RedisIdempotencyStore
beforeEach(() => {
  keyPrefix = `t-${randomUUID()}`
  redis = new Redis(store().url)
  keys = new RedisIdempotencyStore(redis, { keyPrefix, retentionMs: RETENTION_MS })
})
afterEach(() => redis.disconnect())

const ttl = () => redis.pttl(idempotencyKeyOf(keyPrefix, SCOPE))
const isLimited = async () => expect(await ttl()).toBeGreaterThan(0)
const isGone = () => eventually(async () => expect(await ttl()).toBe(GONE))
const fingerprint = 'f'
const [a, b] = [commandId('k', randomUUID()), commandId('k', randomUUID())]

describe('an Idempotency-Key', () => {
  it('whose command is never queued expires', async () => {
    await keys.claim(SCOPE, { commandId: a, fingerprint })
    await isLimited()
    await isGone()
  })

  it('whose command is queued is kept until the command has ended', async () => {
    await keys.claim(SCOPE, { commandId: a, fingerprint })
    await keys.keep(SCOPE, a)
    expect(await ttl()).toBe(FOR_EVER)
    await keys.end(SCOPE, { commandId: a, id: a, parts: 1 })
    await isLimited()
    await isGone()
  })

  it('is not kept if the command ended before the process that queued it could keep it', async () => {
    await keys.claim(SCOPE, { commandId: a, fingerprint })
    await keys.end(SCOPE, { commandId: a, id: a, parts: 1 })
    await keys.keep(SCOPE, a)
    await isLimited()
  })

  it('is neither kept nor released by a command that it no longer belongs to', async () => {
    await keys.claim(SCOPE, { commandId: b, fingerprint })
    await keys.keep(SCOPE, a)
    await isLimited()
    await keys.keep(SCOPE, b)
    await keys.end(SCOPE, { commandId: a, id: a, parts: 1 })
    expect(await ttl()).toBe(FOR_EVER)
  })

  it('of an import expires after the last of its parts, and no later if one ends a second time', async () => {
    const id = importId(randomUUID())
    const [first, second, ...others] = partIds(id) as [CommandId, CommandId, ...CommandId[]]
    await keys.claim(SCOPE, { commandId: id, fingerprint })
    await keys.keep(SCOPE, id)
    for (const part of [first, ...others, first]) {
      await keys.end(SCOPE, { commandId: id, id: part, parts: 4 })
      expect(await ttl()).toBe(FOR_EVER)
    }
    await keys.end(SCOPE, { commandId: id, id: second, parts: 4 })
    await redis.pexpire(idempotencyKeyOf(keyPrefix, SCOPE), 100)
    await keys.end(SCOPE, { commandId: id, id: first, parts: 4 })
    expect(await ttl()).toBeLessThanOrEqual(100)
  })
})

describe('a command with an Idempotency-Key', () => {
  let app: TestApp
  beforeEach(async () => {
    const variables = { KEY_PREFIX: keyPrefix, COMMAND_RETENTION_MS: String(RETENTION_MS), LOG_LEVEL: 'silent' }
    app = await TestApp.start(store(), { variables, worker: false })
  })
  afterEach(() => app.close())

  const ask = () => app.client.request('PUT', '/config/k', policy(1), { 'idempotency-key': SCOPE.key })

  it('that is queued for longer than COMMAND_RETENTION_MS keeps it until that time after its end', async () => {
    const first = await ask()
    expect(await ttl()).toBe(FOR_EVER)
    await redis.set('clock', '', 'PX', RETENTION_MS + 100)
    await eventually(async () => expect(await redis.exists('clock')).toBe(0))
    expect((await ask()).body).toEqual(first.body)
    await app.startWorker()
    await eventually(isLimited)
    await isGone()
    expect((await app.client.get('/config/k/history')).body.events).toHaveLength(1)
  })

  it('is rejected if it was queued so late that another command has claimed the key', async () => {
    // The claim is still valid when the worker has started.
    const other = new RedisIdempotencyStore(redis, { keyPrefix, retentionMs: 60_000 })
    await other.claim(SCOPE, { commandId: a, fingerprint })
    const id = commandId('k', randomUUID())
    const queue = new BullCommandQueue(redis, keyPrefix)
    const asked = {
      id,
      type: 'put',
      key: 'k',
      actor: SCOPE.actor,
      idempotency: { key: SCOPE.key, fingerprint },
    } as const
    await queue.add({ ...asked, policy: { limits: [{ name: 'a', ...policy(1), refillIntervalMs: 1 }], mode: 'off' } })
    await app.startWorker()
    const status = async () => (await app.client.get(`/commands/${id}`)).body
    await eventually(async () =>
      expect(await status()).toMatchObject({ status: 'rejected', error: { code: 'idempotency-key-reused' } }),
    )
    expect((await app.client.get('/config/k')).status).toBe(404)
    await queue.close()
  })
})

describe('an Idempotency-Key that another program has overwritten:', () => {
  let app: TestApp
  beforeEach(async () => {
    app = await TestApp.start(store(), { variables: { KEY_PREFIX: keyPrefix, LOG_LEVEL: 'silent' }, worker: false })
  })
  afterEach(() => app.close())

  const ask = () => app.client.request('PUT', '/config/k', policy(1), { 'idempotency-key': SCOPE.key })
  const DAMAGES = [
    'null',
    '[]',
    '{}',
    '7',
    '{"commandId":1,"fingerprint":"f"}',
    '{"commandId":"no-id","fingerprint":"f"}',
    '{"commandId":"0-abc","fingerprint":"f"}',
    '{"commandId":"9-3f2504e0-4f89-41d3-9a0c-0305e82c3301","fingerprint":"f"}',
    '{"commandId":"0-3F2504E0-4F89-41D3-9A0C-0305E82C3301","fingerprint":"f"}',
    'not JSON',
    '',
  ]
  const damage = (stored: string) => redis.set(idempotencyKeyOf(keyPrefix, SCOPE), stored)
  const eventsOf = async () => (await app.client.get('/config/k/history')).body.events

  it.each(DAMAGES)('after its command ended, %j does not start another command', async stored => {
    await app.startWorker()
    expect((await app.client.put('k', policy(1), { 'idempotency-key': SCOPE.key })).status).toBe(201)
    await damage(stored)
    const answer = await ask()
    expectProblem(answer, 503, 'config-store-unavailable')
    expect(answer.body.detail).toContain(`the record of the Idempotency-Key "${SCOPE.key}" is damaged`)
    expectProblem(await importNothing(), 503, 'config-store-unavailable')
    expect(await eventsOf()).toHaveLength(1)
    expect((await app.client.put('k', policy(2), { 'idempotency-key': 'another' })).status).toBe(200)
  })

  const importNothing = () =>
    app.client.request('POST', '/config/import', '', {
      'content-type': 'application/x-ndjson',
      'idempotency-key': SCOPE.key,
    })

  it.each(DAMAGES)(
    'while its command is queued, %j neither loses nor repeats the command, which claims its key again',
    async stored => {
      const first = await ask()
      await damage(stored)
      expectProblem(await ask(), 503, 'config-store-unavailable')
      await app.startWorker()
      await eventually(async () => expect(await eventsOf()).toMatchObject([{ commandId: first.body.commandId }]))
      expect((await ask()).body).toEqual(first.body)
      expect(await eventsOf()).toHaveLength(1)
      await eventually(isLimited)
    },
  )

  it('a value of another type has the same effect', async () => {
    const first = await ask()
    await redis.del(idempotencyKeyOf(keyPrefix, SCOPE))
    await redis.rpush(idempotencyKeyOf(keyPrefix, SCOPE), 'a')
    expectProblem(await ask(), 503, 'config-store-unavailable')
    await app.startWorker()
    await eventually(async () => expect(await eventsOf()).toMatchObject([{ commandId: first.body.commandId }]))
  })
})
