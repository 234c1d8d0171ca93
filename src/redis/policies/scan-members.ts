import type { RedisClient } from '../connection/connection.ts'
import { defineBufferScript } from '../define-script.ts'
import { scanScript } from '../scripts.ts'
import { inPairs } from './in-pairs.ts'

/** Keeps Redis busy for about 0.4 ms per call. */
const MEMBERS_PER_CALL = 300

const START = '0'

type Scan = 'HSCAN' | 'ZSCAN'

type Part = [runId: Buffer, next: Buffer, found: Buffer[]]

/** A member, as bytes, since another program may have written it, and its value or score. */
export type ScannedMember = readonly [member: Buffer, value: string]

/** All fields of a hash with their values, in chunks. */
export function scanHash(redis: RedisClient, key: string): AsyncGenerator<readonly ScannedMember[]> {
  return scan(redis, 'HSCAN', key)
}

/** All members of a sorted set with their scores, in chunks. */
export function scanSortedSet(redis: RedisClient, key: string): AsyncGenerator<readonly ScannedMember[]> {
  return scan(redis, 'ZSCAN', key)
}

/**
 * A member that does not change meanwhile is returned at least once. If another server answers, after a failover, a move of the slot
 * or a restart, it begins again, since the cursor of one server leaves members out on another.
 * @see https://redis.io/docs/latest/commands/scan/#scan-guarantees
 */
async function* scan(redis: RedisClient, command: Scan, key: string): AsyncGenerator<readonly ScannedMember[]> {
  const read = defineBufferScript<Part>(redis, 'throttlerScan', scanScript)
  let server = ''
  let cursor: string | undefined = START
  while (cursor !== undefined) {
    const [runId, next, found]: Part = await read(1, key, command, cursor, MEMBERS_PER_CALL)
    const isSameServer: boolean = cursor === START || server === runId.toString()
    server = runId.toString()
    cursor = isSameServer ? following(next.toString()) : START
    if (isSameServer) yield inPairs(found).map(([member, value]) => [member, value.toString()])
  }
}

function following(next: string): string | undefined {
  return next === START ? undefined : next
}
