import { describe } from '@jest/globals'
import { describeLong } from './describe-long.ts'
import { hasRedisServer } from './redis-server.ts'

/** A suite that only a real Redis can prove; left out, and said so, where there is none. */
export const describeWithRedis = hasRedisServer ? describe : describe.skip

/** The same of a suite of minutes. */
export const describeLongWithRedis = hasRedisServer ? describeLong : describe.skip
