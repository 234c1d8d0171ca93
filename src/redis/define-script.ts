import type { RedisClient } from './connection/connection.ts'
import type { Script } from './scripts.ts'

export type ScriptArguments = [numberOfKeys: number, ...keysAndArguments: (string | number)[]]
export type DefinedScript<Reply> = (...args: ScriptArguments) => Promise<Reply>

/** Defines a script as a command of this client. */
export function defineScript<Reply>(redis: RedisClient, name: string, script: Script): DefinedScript<Reply> {
  redis.defineCommand(name, script)
  return defined(redis, name)
}

/** The same for a script whose reply has bytes instead of strings. */
export function defineBufferScript<Reply>(redis: RedisClient, name: string, script: Script): DefinedScript<Reply> {
  redis.defineCommand(name, script)
  return defined(redis, `${name}Buffer`)
}

/** ioredis does not type such commands. */
function defined<Reply>(redis: RedisClient, name: string): DefinedScript<Reply> {
  const commands = redis as unknown as { [command: string]: DefinedScript<Reply> }
  return (...args) => (commands[name] as DefinedScript<Reply>)(...args)
}
