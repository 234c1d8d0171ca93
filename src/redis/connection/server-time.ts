import type { RedisClient } from './connection.ts'

/** The clock of a server, in ms since 1970. */
export async function serverTimeMs(redis: RedisClient): Promise<number> {
  const [seconds, microseconds] = await redis.time()
  return Number(seconds) * 1000 + Math.floor(Number(microseconds) / 1000)
}
