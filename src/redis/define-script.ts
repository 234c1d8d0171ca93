import type { RedisClient } from './connection/connection.ts'
import type { Script } from './scripts.ts'

export type ScriptArguments = [numberOfKeys: number, ...keysAndArguments: (string | number)[]]
export type DefinedScript<Reply> = (...args: ScriptArguments) => Promise<Reply>

/** Defines a script as a command of this client. ioredis does not type such commands. */
export function defineScript<Reply>(redis: RedisClient, name: string, script: Script): DefinedScript<Reply> {
  redis.defineCommand(name, script)
  const defined = redis as unknown as { [command: string]: DefinedScript<Reply> }
  return (...args) => (defined[name] as DefinedScript<Reply>)(...args)
}
