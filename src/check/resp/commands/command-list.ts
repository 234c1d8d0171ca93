import type { Command } from '../command.ts'
import { unknownSubcommand } from '../redis-errors.ts'
import { array, bulk, integer, map, type Protocol, set, simple } from '../replies.ts'

/** `COMMAND`: every command as Redis 7 describes its own. */
export function commandList(commands: () => Iterable<Command>): Command {
  return {
    name: 'command',
    arity: -1,
    run: (words, { protocol }) =>
      words.count > 1 ? unknownSubcommand(words) : array(Array.from(commands(), command => entry(protocol, command))),
  }
}

/** @see https://redis.io/docs/latest/commands/command/ */
function entry(protocol: Protocol, { name, arity, hasKey = false, isOpen = false }: Command): string {
  const key = integer(hasKey ? 1 : 0)
  const flags = [...(hasKey ? ['write'] : []), 'fast', ...(isOpen ? ['no_auth'] : [])]
  const categories = [hasKey ? '@write' : '@connection', '@fast']
  const tips = set(protocol, [])
  const keySpecifications = set(protocol, hasKey ? [firstArgument(protocol)] : [])
  const subcommands = set(protocol, [])
  return array([
    bulk(name),
    integer(arity),
    names(protocol, flags),
    key,
    key,
    key,
    names(protocol, categories),
    tips,
    keySpecifications,
    subcommands,
  ])
}

/** The specification of a key that a command reads and changes, and that is its first argument. */
function firstArgument(protocol: Protocol): string {
  return map(protocol, {
    flags: names(protocol, ['RW', 'access', 'update']),
    begin_search: map(protocol, { type: bulk('index'), spec: map(protocol, { index: integer(1) }) }),
    find_keys: map(protocol, {
      type: bulk('range'),
      spec: map(protocol, { lastkey: integer(0), keystep: integer(1), limit: integer(0) }),
    }),
  })
}

function names(protocol: Protocol, names: readonly string[]): string {
  return set(protocol, names.map(simple))
}
