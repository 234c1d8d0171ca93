import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterEach, beforeEach, expect, it } from '@jest/globals'
import { BucketEviction } from '../../src/embedded/bucket-eviction.ts'
import type { Command } from '../../src/embedded/commands.ts'
import type { InProcessConnection } from '../../src/embedded/in-process-connection.ts'
import { memoryOf } from '../../src/embedded/memory-of.ts'
import { EmbeddedValkey } from '../../src/embedded/valkey.ts'
import { createLogger } from '../../src/observability/logger.ts'
import { evictablePrefixes } from '../../src/redis/keys.ts'
import { eventually } from '../support/eventually.ts'

const KEY_PREFIX = 'throttler'
const [BUCKET, RECORD] = evictablePrefixes(KEY_PREFIX)
const MIB = 2 ** 20
const KEYS_PER_CALL = 10_000
/** The eviction keeps as much free. */
const FREE_BYTES = 32 * MIB

let valkey: EmbeddedValkey
let store: InProcessConnection
let eviction: BucketEviction | undefined
beforeEach(async () => {
  // It never listens.
  valkey = new EmbeddedValkey({ path: '' }, 'a-password-of-the-test')
  await valkey.start()
  store = valkey.connectInProcess()
  // More than the eviction keeps free.
  store.call('SETRANGE', 'filler', 2 * FREE_BYTES, 'x')
})
afterEach(async () => {
  eviction?.stop()
  await valkey.stop()
})

/** Runs a command for each `n`, with pauses between calls. */
const repeat = async (count: number, command: string) => {
  for (let first = 1; first <= count; first += KEYS_PER_CALL) {
    const last = Math.min(count, first + KEYS_PER_CALL - 1)
    store.call('EVAL', `for n = ARGV[1], ARGV[2] do redis.call(${command}) end`, 0, first, last)
    await nextTurn()
  }
}
/** Each expires a second after the one before it. */
const addBuckets = (count: number, prefix = BUCKET) =>
  repeat(count, `'SET', '${prefix}tag}:' .. n, 'x', 'EX', 86400 + n`)
const hasBucket = (n: number) => store.call('EXISTS', `${BUCKET}tag}:${n}`) === 1
/** As many keys as policies have. */
const addPolicies = (count: number) => repeat(count, "'ZADD', 'versions:' .. n, 1, 1")
const keys = () => store.call('DBSIZE') as number

/** How many buckets each look at some keys has deleted. */
let deletions: number[] = []
const recordDeletions = (...command: Command) => {
  const reply = store.call(...command)
  if (command[0] === 'EVAL') deletions.push((reply as [string, number])[1])
  return reply
}

/** Lets the store use so little memory that these bytes are missing. */
const evictFor = (missingBytes: number) => {
  const maxBytes = memoryOf(store).used + FREE_BYTES - missingBytes
  store.call('CONFIG', 'SET', 'maxmemory', maxBytes)
  const logger = createLogger({ level: 'silent', role: 'store' })
  deletions = []
  eviction = new BucketEviction({
    store: { call: recordDeletions },
    keyPrefix: KEY_PREFIX,
    memoryBytes: () => 1_280 * MIB,
    logger,
  })
  return {
    writesAreRefused: () => eventually(async () => expect(memoryOf(store).max).toBe(maxBytes - FREE_BYTES)),
    hasRoom: () => eventually(async () => expect(memoryOf(store).used).toBeLessThanOrEqual(maxBytes - FREE_BYTES)),
  }
}

it.each([
  { buckets: 200, policies: 50_000, why: 'few among many policies' },
  { buckets: 2_000, policies: 5, why: 'few beside long logs' },
  { buckets: 6_000, policies: 600_000, why: 'a small part of what fills the memory' },
])('keeps $buckets buckets among $policies policies: $why', async ({ buckets, policies }) => {
  await addBuckets(buckets / 2)
  await addBuckets(buckets / 2, RECORD)
  await addPolicies(policies)
  const before = keys()
  await evictFor(FREE_BYTES / 2).writesAreRefused()
  expect(keys()).toBe(before)
})

it('evicts no more of many buckets among policies than it needs, beginning with those that would be full first', async () => {
  await addBuckets(200_000)
  await addPolicies(30_000)
  const before = keys()
  await evictFor(MIB).hasRoom()
  const evicted = before - keys()
  expect(evicted).toBeGreaterThan(1_000)
  expect(evicted).toBeLessThan(50_000)
  expect(hasBucket(200_000)).toBe(true)
  expect(Array.from({ length: evicted }, (_, i) => i + 1).every(hasBucket)).toBe(false)
})

it.each([
  { missingMib: 0.25, share: 0.25, until: 'nearly all is free that is kept free' },
  { missingMib: 8, share: 0.75, until: 'a quarter of it is used' },
  { missingMib: 28, share: 0.95, until: 'nearly all of it is used' },
])('deletes a share of $share of the buckets it looks at when $until', async ({ missingMib, share }) => {
  await addBuckets(100_000)
  evictFor(missingMib * MIB)
  await eventually(async () => expect(deletions.length).toBeGreaterThan(0))
  expect(deletions[0]).toBeGreaterThan(share * 1_000 - 50)
  expect(deletions[0]).toBeLessThan(share * 1_000 + 50)
})

it('stops to evict when few buckets are left', async () => {
  await addBuckets(20_000)
  await evictFor(FREE_BYTES / 2).writesAreRefused()
  expect(keys()).toBeGreaterThan(4_000)
  expect(keys()).toBeLessThan(6_000)
})
