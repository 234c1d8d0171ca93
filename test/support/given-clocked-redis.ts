import { afterAll, beforeAll, jest } from '@jest/globals'
import { ClockedRedis } from './clocked-redis.ts'
import { RedisServer } from './redis-server.ts'

/** The clock of the front process, in ms since 1970. It tells the store about the periods of quotas. */
export const frontClock = { nowMs: 0 }

/** Starts a Redis for a suite, whose checks use a clock that the test sets, beside `frontClock`. */
export function givenClockedRedis(startMs: number): { readonly redis: ClockedRedis } {
  let server: RedisServer
  let redis: ClockedRedis
  beforeAll(async () => {
    frontClock.nowMs = startMs
    jest.spyOn(Date, 'now').mockImplementation(() => frontClock.nowMs)
    server = await RedisServer.start()
    redis = new ClockedRedis(server.url)
  })
  afterAll(async () => {
    jest.restoreAllMocks()
    redis.disconnect()
    await server.stop()
  })
  return {
    get redis() {
      return redis
    },
  }
}
