import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { askLock } from '../../src/embedded/directory-lock.ts'
import { Client } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { Service } from '../support/service.ts'

const BATCHES = 30
const KEYS_PER_BATCH = 1_000
/** Room for a third of the buckets. */
const ROOM_BYTES = 3 * 2 ** 20
/** A bucket stays for a day. */
const SLOW = { capacity: 1_000, refillTokens: 1, refillIntervalMs: 86_400 }

let service: Service
let dataDir: string
let redis: Redis
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'throttler-data-'))
  service = await Service.start({ env: { DATA_DIR: dataDir, WEB_CONCURRENCY: '1' } })
  redis = new Redis((await askLock(dataDir)) ?? '')
})
afterEach(async () => {
  redis.disconnect()
  await service.stop()
  await rm(dataDir, { recursive: true, force: true })
})

async function infoOf(section: string, name: string): Promise<number> {
  return Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(await redis.info(section))?.[1])
}

const evictionPolicy = async () => ((await redis.config('GET', 'maxmemory-policy')) as string[])[1]

describe('the embedded store', () => {
  it('may use less memory than JavaScript can address', async () => {
    expect(await redis.config('GET', 'maxmemory')).toEqual(['maxmemory', String(1_280 * 2 ** 20)])
  })

  it('evicts buckets when its memory is full, and loses no policy and no change', async () => {
    const client = new Client(service.url)
    expect((await client.put('slow:*', SLOW)).status).toBe(201)
    expect(await evictionPolicy()).toBe('noeviction')
    for (let i = 0; i < 3; i++) await redis.setrange(`filler-${i}`, 400 * 2 ** 20, 'x')
    await eventually(async () => expect(await evictionPolicy()).toBe('volatile-ttl'))
    for (let i = 0; i < 3; i++) await redis.del(`filler-${i}`)
    await redis.config('SET', 'maxmemory', (await infoOf('memory', 'used_memory')) + ROOM_BYTES)
    for (let i = 0; i < BATCHES; i++) {
      const checks = Array.from({ length: KEYS_PER_BATCH }, (_, n) => ({ key: `slow:${'x'.repeat(100)}:${i}:${n}` }))
      const { status, body } = await client.request('POST', '/check/batch', { checks })
      expect(status).toBe(200)
      expect(new Set(body.results.map(({ source }: { source: string }) => source))).toEqual(new Set(['redis']))
    }
    expect(await infoOf('stats', 'evicted_keys')).toBeGreaterThan(KEYS_PER_BATCH)
    expect((await client.put('later', SLOW)).status).toBe(201)
    expect((await client.get('/config')).body.items.map(({ key }: { key: string }) => key)).toEqual(['later', 'slow:*'])
    expect((await client.get('/health')).body).toMatchObject({ status: 'ok' })
  })
})
