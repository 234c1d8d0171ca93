import { describe } from '@jest/globals'
import { describeLong } from './describe-long.ts'
import { isOnPath } from './on-path.ts'
import { hasRedisServer } from './redis-server.ts'

/** A suite that needs a real Redis. It is skipped, with a message, if there is none. */
export const describeWithRedis = hasRedisServer ? describe : describe.skip

/** The same for a suite that takes minutes. */
export const describeLongWithRedis = hasRedisServer ? describeLong : describe.skip

/** A suite for the oldest Redis that the service runs with. */
export const describeWithRedis62 = isOnPath('redis-server-6.2') ? describe : describe.skip

/** A suite for Valkey. */
export const describeWithValkey = isOnPath('valkey-server') ? describe : describe.skip
