/** The set of a bucket's holds, which `lua/holds.lua` describes, outside of scripts. */
import type { Hold } from '../../domain/holds.ts'
import type { RedisClient } from '../connection/connection.ts'

const MAX_READ = 100

/** Bytes of a member after its id. */
const HOLD_BYTES = 11

/** The first holds by deadline. What was lost with its set has no id, and is left out. */
export async function readHolds(redis: RedisClient, key: string): Promise<readonly Hold[]> {
  const found = await redis.zrangeBuffer(key, '0', String(MAX_READ - 1), 'WITHSCORES')
  const holds: Hold[] = []
  for (let i = 0; i < found.length; i += 2) {
    const member = found[i] as Buffer
    const idBytes = member.length - HOLD_BYTES
    if (idBytes > 0) holds.push(holdIn(member, idBytes, Number(found[i + 1])))
  }
  return holds
}

function holdIn(member: Buffer, idBytes: number, expiresAtMs: number): Hold {
  return {
    id: member.toString('latin1', 0, idBytes),
    tokens: member.readDoubleBE(idBytes),
    expiresAtMs,
    onExpiry: member.readUInt8(idBytes + 10) === 1 ? 'charge' : 'release',
  }
}
