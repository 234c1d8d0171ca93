import type { RedisClient } from '../connection/connection.ts'
import { inPairs } from './in-pairs.ts'

/** Keeps Redis busy for about 0.3 ms per call. */
const FIELDS_PER_CALL = 500

/**
 * All fields of a hash with their values, in chunks. A field that does not change meanwhile is returned at least once. Fields are
 * bytes, since another program may have written them.
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
