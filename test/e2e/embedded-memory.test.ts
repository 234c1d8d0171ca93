import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import type { Redis } from 'ioredis'
import { Client } from '../support/client.ts'
import { connectToStoreOf } from '../support/embedded-store.ts'
import { eventually } from '../support/eventually.ts'
import { Service } from '../support/service.ts'

const BATCHES = 30
const KEYS_PER_BATCH = 1_000
const MIB = 2 ** 20
/** The store keeps the rest free. */
const MOST_USED_BYTES = (1_280 - 32) * MIB
/** Room for a third of the buckets. */
const ROOM_BYTES = 3 * MIB
/** The most that one string can have is somewhat more. */
const FILLER_BYTES = 400 * MIB
/** A bucket stays for a month, longer than what is kept of a command. */
const SLOW = { capacity: 1_000, refillTokens: 1, refillIntervalMs: 31 * 86_400_000 }

const YEARLY = { limits: [{ name: 'yearly', kind: 'quota', capacity: 1, period: 'year', timeZone: 'UTC' }] }
const EXHAUSTED = 200
/** As many keys as policies would have. */
const POLICIES = 100_000
const ADD_POLICIES = "for i = 1, ARGV[1] do redis.call('ZADD', 'versions:' .. i, 1, 1) end"

let service: Service
let dataDir: string
let redis: Redis
const start = async () => {
  service = await Service.start({ env: { DATA_DIR: dataDir, WEB_CONCURRENCY: '1' } })
  redis = await connectToStoreOf(dataDir)
}
const stop = async () => {
  redis.disconnect()
  await service.stop()
}
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'throttler-data-'))
  await start()
})
afterEach(async () => {
  await stop()
  await rm(dataDir, { recursive: true, force: true })
})

async function usedBytes(): Promise<number> {
  return Number(/^used_memory:(\d+)/m.exec(await redis.info('memory'))?.[1])
}

/** Fills the memory with what is never deleted. */
async function fillMemory(untilBytes: number): Promise<void> {
  for (let i = 0; ; i++) {
    const missing = untilBytes - (await usedBytes())
    if (missing < MIB / 2) return
    await redis.setrange(`filler-${i}`, Math.min(missing, FILLER_BYTES) - 1, 'x')
  }
}

describe('the embedded store', () => {
  it('may use less memory than JavaScript can address', async () => {
    expect(await redis.config('GET', 'maxmemory')).toEqual(['maxmemory', String(1_280 * MIB)])
    expect(await redis.config('GET', 'maxmemory-policy')).toEqual(['maxmemory-policy', 'noeviction'])
  })

  it('evicts buckets when its memory is full, and loses no policy and no change', async () => {
    const client = new Client(service.url)
    const once = () => client.put('slow:*', SLOW, { 'idempotency-key': 'once' })
    const first = await once()
    expect(first).toMatchObject({ status: 201, body: { version: 1 } })
    await fillMemory(MOST_USED_BYTES - ROOM_BYTES)
    for (let i = 0; i < BATCHES; i++) {
      const checks = Array.from({ length: KEYS_PER_BATCH }, (_, n) => ({ key: `slow:${'x'.repeat(100)}:${i}:${n}` }))
      const { status, body } = await client.request('POST', '/check/batch', { checks })
      expect(status).toBe(200)
      expect(new Set(body.results.map(({ source }: { source: string }) => source))).toEqual(new Set(['redis']))
    }
    await eventually(async () => expect(await usedBytes()).toBeLessThan(MOST_USED_BYTES))
    expect(await redis.dbsize()).toBeLessThan(((BATCHES * KEYS_PER_BATCH) / 3) * 2)
    expect((await once()).body).toEqual(first.body)
    expect((await client.put('later', SLOW)).status).toBe(201)
    expect((await client.get('/config')).body.items.map(({ key }: { key: string }) => key)).toEqual(['later', 'slow:*'])
    expect((await client.get('/health')).body).toMatchObject({ status: 'ok' })
  })

  it('refuses changes and says why while its memory is full of policies, and applies them once there is room', async () => {
    const client = new Client(service.url)
    expect((await client.put('before', SLOW)).status).toBe(201)
    await fillMemory(MOST_USED_BYTES + MIB)
    await eventually(async () =>
      expect((await client.put('full', SLOW)).body).toMatchObject({
        code: 'config-store-unavailable',
        detail: expect.stringContaining('out-of-memory'),
      }),
    )
    await eventually(async () =>
      expect((await client.get('/health')).body).toMatchObject({
        configStore: 'down',
        reason: 'out-of-memory',
      }),
    )
    expect((await client.check('before')).body).toMatchObject({ allowed: true, source: 'local' })
    await redis.del('filler-0')
    await eventually(async () => expect((await client.put('after', SLOW)).status).toBe(201))
    await eventually(async () => expect((await client.get('/health')).body).toMatchObject({ status: 'ok' }))
  })

  it('keeps quotas, reservations and Idempotency-Keys while its memory is full of policies, and over a restart', async () => {
    const client = new Client(service.url)
    const once = () => client.put('yearly:*', YEARLY, { 'idempotency-key': 'once' })
    const first = await once()
    await client.put('slow:*', SLOW)
    const checks = Array.from({ length: EXHAUSTED }, (_, n) => ({ key: `yearly:${n}` }))
    const allowed = async () => {
      const { results } = (await new Client(service.url).request('POST', '/check/batch', { checks })).body
      return results.filter((result: { allowed: boolean }) => result.allowed).length
    }
    expect(await allowed()).toBe(EXHAUSTED)
    const hold = { tokens: 10, ttlMs: 600_000 }
    const { id } = (await client.request('POST', '/reservations', { ...hold, key: 'slow:held' })).body
    await redis.eval(ADD_POLICIES, 0, POLICIES)
    const buckets = async () => (await redis.keys('throttler:{*')).length
    expect(await buckets()).toBe(EXHAUSTED + 1)
    await fillMemory(MOST_USED_BYTES + MIB)
    await eventually(async () =>
      expect((await client.get('/health')).body).toMatchObject({ configStore: 'down', reason: 'out-of-memory' }),
    )
    expect((await client.put('full', SLOW)).body).toMatchObject({ code: 'config-store-unavailable' })
    expect(await buckets()).toBe(EXHAUSTED + 1)
    await redis.del('filler-0')
    await eventually(async () => expect((await client.get('/health')).body).toMatchObject({ status: 'ok' }))
    expect(await allowed()).toBe(0)
    expect((await client.request('POST', `/reservations/${id}/settle`, { tokens: 1 })).status).toBe(200)
    expect((await once()).body).toEqual(first.body)
    await stop()
    await start()
    expect(await allowed()).toBe(0)
  })
})
