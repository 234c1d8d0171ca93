import type { Command } from '../command.ts'
import { unknownSubcommand } from '../redis-errors.ts'
import { array, bulk, integer, simple } from '../replies.ts'

/** `COMMAND`: every command with its arity, its flags and where its keys are. */
export function commandList(commands: () => Iterable<Command>): Command {
  return {
    name: 'command',
    arity: -1,
    run: words => (words.count > 1 ? unknownSubcommand(words) : array([...commands()].map(entry))),
  }
}

/** @see https://redis.io/docs/latest/commands/command/ */
function entry({ name, arity, hasKey = false, isOpen = false }: Command): string {
  const key = integer(hasKey ? 1 : 0)
  const flags = [...(hasKey ? ['write'] : []), 'fast', ...(isOpen ? ['no_auth'] : [])]
  return array([bulk(name), integer(arity), array(flags.map(simple)), key, key, key])
}
