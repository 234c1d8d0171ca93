import type { RedisClient } from '../connection/connection.ts'

/** Bounds how long Redis is busy with one call, ~0.3 ms. */
const FIELDS_A_CALL = 500

/**
 * All fields of a hash with their values, some at a time. What does not change meanwhile is there at least once.
 * @see https://redis.io/docs/latest/commands/scan/#scan-guarantees
 */
export async function* scanHash(
  redis: RedisClient,
  key: string,
): AsyncGenerator<readonly [field: string, value: string][]> {
  let cursor = '0'
  do {
    const [next, found] = await redis.hscan(key, cursor, 'COUNT', FIELDS_A_CALL)
    cursor = next
    const fields: [string, string][] = []
    for (let i = 0; i < found.length; i += 2) fields.push([found[i] ?? '', found[i + 1] ?? ''])
    yield fields
  } while (cursor !== '0')
}
