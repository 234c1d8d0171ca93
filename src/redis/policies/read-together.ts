import type { RedisClient } from '../connection/connection.ts'
import { replyError } from '../connection/failure-reason.ts'
import { defineScript } from '../define-script.ts'
import { readTogetherScript } from '../scripts.ts'

/** A command that only reads, with its arguments. */
export type ReadCommand = readonly [name: string, ...args: string[]]

/** The error or the reply of each command, as of a transaction. */
export type Replies = [error: Error | null, reply: unknown][]

export type ReadTogether = (keys: readonly string[], commands: readonly ReadCommand[]) => Promise<Replies>

/** Returns a function that runs commands on keys of one partition in one step, also while the server is full. */
export function readingTogether(redis: RedisClient): ReadTogether {
  const read = defineScript<[reply: unknown, error?: string][]>(redis, 'throttlerReadTogether', readTogetherScript)
  return async (keys, commands) => {
    const replies = await read(keys.length, ...keys, JSON.stringify(commands))
    return replies.map(([reply, error]) => (error === undefined ? [null, reply] : [replyError(error), undefined]))
  }
}
