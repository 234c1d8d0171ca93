import type { RedisClient } from '../connection/connection.ts'
import { ConnectionLost } from '../connection/transient.ts'
import { defineBufferScript } from '../define-script.ts'
import type { ConfigKeys } from '../keys.ts'
import { scanScript } from '../scripts.ts'
import type { StreamEntry } from './config-json.ts'
import { inPairs } from './in-pairs.ts'

/** Keeps Redis busy for about 0.4 ms per call. */
const MEMBERS_PER_CALL = 300

const START = '0'

/** A member, as bytes, since another program may have written it, and its value or score. */
export type ScannedMember = readonly [member: Buffer, value: string]

/** Some members, and the end of the partition's log at the moment at which they were read. */
export interface ScannedPart {
  readonly members: readonly ScannedMember[]
  readonly identity: string | null
  readonly last: StreamEntry | undefined
}

type Reply = [runId: Buffer, next: Buffer, found: Buffer[], identity: Buffer | null, last: [Buffer, Buffer[]] | null]

interface Scan {
  readonly command: 'HSCAN' | 'ZSCAN'
  /** A key of the partition. */
  readonly key: string
  readonly keys: Pick<ConfigKeys, 'identity' | 'log'>
}

/**
 * All fields of a hash with their values, or members of a sorted set with their scores. One that does not change meanwhile is
 * returned at least once.
 * @throws {ConnectionLost} if another server answers, after a failover, a move of the slot or a restart: it would leave members out
 * @see https://redis.io/docs/latest/commands/scan/#scan-guarantees
 */
export async function* scanMembers(redis: RedisClient, { command, key, keys }: Scan): AsyncGenerator<ScannedPart> {
  const read = defineBufferScript<Reply>(redis, 'throttlerScan', scanScript)
  let server: string | undefined
  let cursor = START
  do {
    const reply = await read(3, key, keys.identity, keys.log, command, cursor, MEMBERS_PER_CALL)
    const [runId, next, found, identity, last] = reply
    server ??= runId.toString()
    if (runId.toString() !== server) throw new ConnectionLost(`another server answered while "${key}" was read`)
    cursor = next.toString()
    yield {
      members: inPairs(found).map(([member, value]) => [member, value.toString()]),
      identity: identity?.toString() ?? null,
      last: last === null ? undefined : [last[0].toString(), last[1].map(String)],
    }
  } while (cursor !== START)
}
