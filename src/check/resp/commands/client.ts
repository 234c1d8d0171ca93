import type { Command, CommandResult } from '../command.ts'
import { unknownSubcommand, wrongNumberOfArguments } from '../redis-errors.ts'
import { bulk, error, integer, nothing, OK } from '../replies.ts'
import type { Session } from '../session.ts'
import type { Words } from '../words.ts'

const NAME = /^[!-~]*$/

/** Of a client's name: each connection keeps its own. */
const MAX_NAME_BYTES = 256
const INVALID_NAME = error('ERR Client names cannot contain spaces, newlines or special characters.')
const LONG_NAME = error(`ERR Client names cannot be longer than ${MAX_NAME_BYTES} bytes.`)
const INVALID_INFO = error('ERR lib-name or lib-ver cannot contain spaces, newlines or special characters.')
const LIBRARY_MEMBERS = new Set(['lib-name', 'lib-ver'])

interface Subcommand {
  readonly arity: number
  run(words: Words, session: Session): CommandResult
}

const SUBCOMMANDS: Readonly<Record<string, Subcommand>> = {
  id: { arity: 2, run: (_words, { id }) => integer(id) },
  getname: { arity: 2, run: (_words, { name, protocol }) => (name === '' ? nothing(protocol) : bulk(name)) },
  setname: {
    arity: 3,
    run: (words, session) => {
      const name = words.binary(2)
      const fault = clientNameFault(name)
      if (fault !== undefined) return fault
      session.name = name
      return OK
    },
  },
  setinfo: {
    arity: 4,
    run: words => {
      if (!LIBRARY_MEMBERS.has(words.name(2))) return error(`ERR Unrecognized option '${words.name(2)}'`)
      return NAME.test(words.binary(3)) ? OK : INVALID_INFO
    },
  },
}

export const CLIENT: Command = {
  name: 'client',
  arity: -2,
  run: (words, session) => {
    const name = words.name(1)
    const subcommand = Object.hasOwn(SUBCOMMANDS, name) ? SUBCOMMANDS[name] : undefined
    if (subcommand === undefined) return unknownSubcommand(words)
    if (words.count !== subcommand.arity) return wrongNumberOfArguments({ name: `client|${name}` })
    return subcommand.run(words, session)
  },
}

/** The error that a client's name gets; `undefined` if it is valid. */
export function clientNameFault(name: string): string | undefined {
  if (name.length > MAX_NAME_BYTES) return LONG_NAME
  return NAME.test(name) ? undefined : INVALID_NAME
}
