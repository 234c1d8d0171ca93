import { describe } from '@jest/globals'
import { describeLongWithRedis } from './describe-with-redis.ts'
import { isOnPath } from './on-path.ts'

/** A long suite with a checker written in Go. It is skipped, with a message, if there is no `go`. */
export const describeLongWithGo = isOnPath('go') ? describeLongWithRedis : describe.skip
