/** What reservations hold of a bucket, outside of scripts: `lua/holds.lua` and `lua/bucket-layout.lua` describe how it is stored. */
import type { Hold, OnExpiry } from '../../domain/holds.ts'
import { parseReservationId } from '../../domain/reservation-id.ts'
import { isDateMs } from '../../lib/dates.ts'
import type { RedisClient } from '../connection/connection.ts'
import { serverOf } from '../connection/server-of.ts'
import { serverTimeMs } from '../connection/server-time.ts'
import type { BucketKeys } from '../keys.ts'
import { isWrongType } from '../wrong-type.ts'
import { readString } from './read-string.ts'

const MAX_READ = 100

/** Bytes of a member of the set after its id. */
const HOLD_BYTES = 11

/** Of a bucket whose only hold has no set. */
const EXTENDED_WITH_ONE_HOLD = 4
const EXTENDED_AT = 8
const VERSION_AT = 12
const TOKENS_AT = 32
const DEADLINE_AT = 40
const ENTRIES_AT = 56
const ONE_HOLD_BYTES = 32

/**
 * The first holds of a key by deadline, without those that have expired but are not settled yet. What was lost with its set has no id,
 * and is left out, as is what is damaged.
 */
export async function readHolds(redis: RedisClient, keys: BucketKeys, key: string): Promise<readonly Hold[]> {
  const nowMs = await serverTimeMs(await serverOf(redis, keys.bucket(key)))
  const [bucket, members] = await Promise.all([
    readString(redis, keys.bucket(key)),
    readMembers(redis, keys.holds(key), nowMs),
  ])
  const holds = hasOnlyHold(bucket) ? [onlyHoldIn(bucket)] : holdsIn(members)
  return holds.filter(hold => hold.expiresAtMs > nowMs && isSound(hold))
}

/** Members of the set from a moment on. Empty if the key has another type: what it held is lost then. */
async function readMembers(redis: RedisClient, key: string, fromMs: number): Promise<readonly Buffer[]> {
  try {
    return await redis.zrangebyscoreBuffer(key, `(${fromMs}`, '+inf', 'WITHSCORES', 'LIMIT', 0, MAX_READ)
  } catch (err) {
    if (isWrongType(err)) return []
    throw err
  }
}

function holdsIn(members: readonly Buffer[]): readonly Hold[] {
  const holds: Hold[] = []
  for (let i = 0; i < members.length; i += 2) {
    const member = members[i] as Buffer
    const idBytes = member.length - HOLD_BYTES
    if (idBytes > 0) holds.push(holdIn(member, idBytes, Number(members[i + 1])))
  }
  return holds
}

function holdIn(member: Buffer, idBytes: number, expiresAtMs: number): Hold {
  return {
    id: member.toString('latin1', 0, idBytes),
    tokens: member.readDoubleBE(idBytes),
    expiresAtMs,
    onExpiry: onExpiryOf(member.readUInt8(idBytes + 10) === 1),
  }
}

function hasOnlyHold(bucket: Buffer | null | undefined): bucket is Buffer {
  if (!bucket || bucket.length < ENTRIES_AT + ONE_HOLD_BYTES) return false
  return bucket.readUInt32BE(EXTENDED_AT) === 0 && bucket.readUInt8(VERSION_AT) === EXTENDED_WITH_ONE_HOLD
}

function onlyHoldIn(bucket: Buffer): Hold {
  const text = bucket.toString('latin1', bucket.length - ONE_HOLD_BYTES)
  return {
    id: text.slice(1).trimEnd(),
    tokens: bucket.readDoubleBE(TOKENS_AT),
    expiresAtMs: bucket.readDoubleBE(DEADLINE_AT),
    onExpiry: onExpiryOf(text.startsWith('1')),
  }
}

function isSound({ id, tokens, expiresAtMs }: Hold): boolean {
  return parseReservationId(id) !== undefined && isCount(tokens) && isDateMs(expiresAtMs)
}

function isCount(number: number): boolean {
  return Number.isSafeInteger(number) && number >= 0
}

function onExpiryOf(isCharged: boolean): OnExpiry {
  return isCharged ? 'charge' : 'release'
}
