import { pino } from 'pino'
import { connect } from '../../src/redis/connection/connection.ts'
import { randomNumbers, topOf, zipfKeys } from '../../test/support/counted-traffic.ts'
import { eventually } from '../../test/support/eventually.ts'
import { RedisServer } from '../../test/support/redis-server.ts'
import { targetOf } from '../../test/support/target-of.ts'

const CHECKS = 1_000_000
const KEYS = 1_000_000
const COMPARED = 20

export interface TopAccuracy {
  /** `maxError` ÷ checks, for traffic that is spread evenly over a million keys: the largest of both windows. */
  readonly errorShare: number
  /** How many of the first counts are exact for traffic by Zipf's law with the exponent 1.1. */
  readonly exactCounts: number
}

/** How far `/top` may be wrong, for keys that three processes count. */
export async function measureTopAccuracy(): Promise<TopAccuracy> {
  const server = await RedisServer.start()
  const redis = connect('request', { target: targetOf(server.url), name: 'bench', logger: pino({ level: 'silent' }) })
  try {
    await eventually(() => redis.ping())
    const random = randomNumbers()
    const nextKey = () => `user:${Math.floor(random() * KEYS)}`
    const even = await topOf(redis, { prefix: 'even', checks: CHECKS, nextKey })
    const zipf = await topOf(redis, { prefix: 'zipf', checks: CHECKS, nextKey: zipfKeys(KEYS, 1.1) })
    const exact = [...zipf.truth.values()].sort((a, b) => b - a).slice(0, COMPARED)
    return {
      errorShare: Math.max(even.short.maxError, even.long.maxError) / CHECKS,
      exactCounts: exact.filter((count, i) => zipf.short.items[i]?.count === count).length,
    }
  } finally {
    redis.disconnect()
    await server.stop()
  }
}
