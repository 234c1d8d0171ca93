/** Commands that every client library sends. */
import type { Command } from '../command.ts'
import { NOT_AN_INTEGER, wrongNumberOfArguments } from '../redis-errors.ts'
import { bulk, error, OK, simple } from '../replies.ts'

const PONG = simple('PONG')
const NO_SUCH_DATABASE = error('ERR DB index is out of range')

export const PING: Command = {
  name: 'ping',
  arity: -1,
  run: words => {
    if (words.count > 2) return wrongNumberOfArguments(PING)
    return words.count === 1 ? PONG : bulk(words.binary(1))
  },
}

export const ECHO: Command = { name: 'echo', arity: 2, run: words => bulk(words.binary(1)) }

/** The connection ends after its reply. */
export const QUIT: Command = { name: 'quit', arity: -1, isOpen: true, run: () => OK }

export const RESET: Command = {
  name: 'reset',
  arity: 1,
  run: (_words, session) => {
    session.reset()
    return simple('RESET')
  },
}

/** There is one database, 0. */
export const SELECT: Command = {
  name: 'select',
  arity: 2,
  run: words => {
    const index = words.integer(1)
    if (index === undefined) return NOT_AN_INTEGER
    return index === 0 ? OK : NO_SUCH_DATABASE
  },
}
