import type { RedisClient } from '../connection/connection.ts'
import { isWrongType } from '../wrong-type.ts'

/** The value of a key: `null` if there is none, `undefined` if the key has another type. */
export async function readString(redis: RedisClient, key: string): Promise<Buffer | null | undefined> {
  try {
    return await redis.getBuffer(key)
  } catch (err) {
    if (isWrongType(err)) return undefined
    throw err
  }
}
