import { Redis } from 'ioredis'
import type { Denial } from '../../src/insight/ports.ts'
import { RedisDenialStore } from '../../src/redis/insight/redis-denial-store.ts'
import { MAX_COUNTS, RedisKeyCountStore } from '../../src/redis/insight/redis-key-count-store.ts'
import { RedisServer } from '../../test/support/redis-server.ts'
import { usedMemory } from '../probes/bucket-memory.ts'

const KEY_PREFIX = 'throttler'
const HOURS = 10
/** Fewer than are kept of a minute. */
const COUNTS_PER_REPORT = 790
const DENIALS = 20_000

export interface CountMemory {
  /** As many counts as are ever kept, with keys of 20 bytes. */
  readonly countMegabytes: number
  readonly bytesPerDenial: number
}

/** Memory of counts of keys and of sampled denials, in a Redis of their own. */
export async function measureCountMemory(): Promise<CountMemory> {
  const server = await RedisServer.start()
  const redis = new Redis(server.url)
  try {
    const before = await usedMemory(redis)
    const counts = new RedisKeyCountStore(redis, KEY_PREFIX)
    for (let hour = 0; hour < HOURS; hour++)
      await counts.add(Date.now() - hour * 3_600_000, reportOf(COUNTS_PER_REPORT))
    const counted = await usedMemory(redis)
    const denials = new RedisDenialStore(redis, KEY_PREFIX, DENIALS)
    for (let i = 0; i < DENIALS; i += 100) await denials.add(new Array<Denial>(100).fill(denialOf(i)))
    const denied = await usedMemory(redis)
    // Each report adds to a minute and to an hour.
    const bytesPerCount = (counted - before) / (HOURS * 2 * COUNTS_PER_REPORT)
    return { countMegabytes: (bytesPerCount * MAX_COUNTS) / 1e6, bytesPerDenial: (denied - counted) / DENIALS }
  } finally {
    redis.disconnect()
    await server.stop()
  }
}

function reportOf(keys: number) {
  const growths = Array.from({ length: keys }, (_, i) => {
    return { key: keyOf(i), policy: 'user:*', growth: i + 1, earlierPolicy: undefined }
  })
  return { measure: 'denied', errorGrowth: 0, growths } as const
}

function denialOf(n: number): Denial {
  return {
    atMs: Date.now(),
    key: keyOf(n),
    policy: 'user:*',
    policyVersion: 3,
    violated: ['default'],
    tokens: 1,
    remaining: 0,
    retryAfterMs: 1_000,
    source: 'denied-cache',
    requestId: '5f2b3c4d5e6f7a8b-18411841',
  }
}

function keyOf(n: number): string {
  return `user:${String(n).padStart(15, '0')}`
}
