import type { RedisClient } from '../connection/connection.ts'
import { inPairs } from './in-pairs.ts'

/** Bounds how long Redis is busy with one call, ~0.3 ms. */
const FIELDS_PER_CALL = 500

/**
 * All fields of a hash with their values, some at a time. What does not change meanwhile is there at least once. Fields are bytes,
 * since others than this service may have written them.
 * @see https://redis.io/docs/latest/commands/scan/#scan-guarantees
 */
export async function* scanHash(
  redis: RedisClient,
  key: string,
): AsyncGenerator<readonly [field: Buffer, value: string][]> {
  let cursor = '0'
  do {
    const [next, found] = await redis.hscanBuffer(key, cursor, 'COUNT', FIELDS_PER_CALL)
    cursor = next.toString()
    yield inPairs(found).map(([field, value]) => [field, value.toString()])
  } while (cursor !== '0')
}
