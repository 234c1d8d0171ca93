import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import type { Redis } from 'ioredis'
import type { Policy } from '../../src/domain/policy.ts'
import { RedisBucketStore } from '../../src/redis/buckets/redis-bucket-store.ts'
import { BucketKeys } from '../../src/redis/keys.ts'
import { EmbeddedStore } from '../support/embedded-store.ts'
import { limitOf, policyOf, quotaOf } from '../support/policies.ts'

const MONTHLY = policyOf('monthly', { limits: [quotaOf({ capacity: 100 })] })
const SLOW = policyOf('slow', { limits: [limitOf({ capacity: 100, refillIntervalMs: 1e9 })] })

const keys = new BucketKeys('throttler')
let dataDir: string
let store: EmbeddedStore
let redis: Redis
let buckets: RedisBucketStore
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'throttler-data-'))
  await start()
})
afterEach(async () => {
  await stop()
  await rm(dataDir, { recursive: true, force: true })
})

async function start(): Promise<void> {
  store = await EmbeddedStore.start({ dataDir })
  redis = store.connect()
  buckets = new RedisBucketStore(redis, keys)
}

async function stop(): Promise<void> {
  redis.disconnect()
  await store.stop()
}

async function restart(): Promise<void> {
  await stop()
  await start()
}

/** The supervisor tells a store once a front process has found a quota. */
const tellOfQuotas = () => store.process.send({ type: 'keep-quota-counts' })

/** Spends tokens of the first limit of a policy. Returns how many were spent of it then. */
async function spend(key: string, policy: Policy, tokens: number): Promise<number | undefined> {
  const [reading] = await buckets.check([{ key, policy, tokens }])
  return reading?.spent[0]
}

describe('the embedded store keeps the count of a quota', () => {
  it('that was spent before it was told of quotas', async () => {
    await spend('early', MONTHLY, 60)
    tellOfQuotas()
    await restart()
    expect(await spend('early', MONTHLY, 0)).toBe(60)
  })

  it('while another policy is in force for its key', async () => {
    tellOfQuotas()
    await spend('replaced', MONTHLY, 60)
    await restart()
    await spend('replaced', SLOW, 1)
    await restart()
    expect(await spend('replaced', MONTHLY, 0)).toBe(60)
  })

  it('unless its bucket is reset, even if no quota is in use then', async () => {
    tellOfQuotas()
    await spend('reset', MONTHLY, 60)
    await restart()
    expect(await spend('reset', MONTHLY, 0)).toBe(60)
    await redis.del(keys.bucket('reset'))
    await restart()
    expect(await spend('reset', MONTHLY, 0)).toBe(0)
  })

  it('beside a value that is too long for a bucket', async () => {
    const value = Buffer.alloc(40_000)
    // The entry of a quota: one unit per token.
    value.writeUInt32BE(1, 12)
    await redis.set(keys.bucket('long'), value, 'PX', 86_400_000)
    tellOfQuotas()
    await spend('counted', MONTHLY, 60)
    await restart()
    expect(await spend('counted', MONTHLY, 0)).toBe(60)
    expect(await redis.exists(keys.bucket('long'))).toBe(0)
  })

  it('and no bucket without a quota', async () => {
    tellOfQuotas()
    await spend('counted', MONTHLY, 60)
    await spend('slow', SLOW, 60)
    await spend('fast', policyOf('fast', { limits: [limitOf({ capacity: 9_000, refillIntervalMs: 1 })] }), 9_000)
    await stop()
    const lines = (await readFile(join(dataDir, 'quotas.ndjson'), 'utf8')).trim().split('\n')
    await start()
    expect(lines.map(line => JSON.parse(line).key)).toEqual([keys.bucket('counted')])
  })
})
