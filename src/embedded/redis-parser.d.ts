declare module 'redis-parser' {
  import type { Reply } from './in-process-connection.ts'

  interface RedisParserOptions {
    returnReply(reply: Reply): void
    returnError(error: Error): void
  }

  /** @see https://github.com/NodeRedis/node-redis-parser */
  export default class RedisParser {
    constructor(options: RedisParserOptions)
    execute(bytes: Buffer): void
  }
}
