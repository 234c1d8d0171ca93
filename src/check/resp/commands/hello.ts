import type { Command } from '../command.ts'
import { LOGIN_WORK, type Logins } from '../logins.ts'
import { array, bulk, error, integer, map, type Protocol } from '../replies.ts'
import type { Session } from '../session.ts'
import type { Words } from '../words.ts'
import { clientNameFault } from './client.ts'

const NO_VERSION = error('ERR Protocol version is not an integer or out of range')
const UNSUPPORTED = error('NOPROTO unsupported protocol version')
const NOT_LOGGED_IN = error(
  'NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time',
)

/** What a client asks for with `HELLO [version [AUTH name token] [SETNAME name]]`. */
interface Greeting {
  readonly protocol: Protocol
  readonly token?: string | undefined
  readonly hasToken: boolean
  readonly name: string | undefined
}

export function hello(logins: Logins, version: string): Command {
  const greet = (session: Session, { protocol, name }: Greeting) => {
    if (!logins.isAdmitted(session)) return NOT_LOGGED_IN
    session.protocol = protocol
    if (name !== undefined) session.name = name
    return map(protocol, {
      server: bulk('throttler'),
      version: bulk(version),
      proto: integer(protocol),
      id: integer(session.id),
      mode: bulk('standalone'),
      role: bulk('master'),
      modules: array([]),
    })
  }
  return {
    name: 'hello',
    arity: -1,
    isOpen: true,
    work: LOGIN_WORK,
    run: (words, session) => {
      const greeting = greetingIn(words, session)
      if (typeof greeting === 'string') return greeting
      const refusal = greeting.hasToken ? logins.logIn(session, greeting.token) : undefined
      return refusal ?? greet(session, greeting)
    },
  }
}

/** The greeting, or the error that it gets. */
function greetingIn(words: Words, session: Session): Greeting | string {
  if (words.count === 1) return { protocol: session.protocol, hasToken: false, name: undefined }
  const version = words.integer(1)
  if (version === undefined) return NO_VERSION
  if (version !== 2 && version !== 3) return UNSUPPORTED
  let greeting: Greeting = { protocol: version, hasToken: false, name: undefined }
  for (let at = 2; at < words.count; ) {
    const option = words.name(at)
    if (option === 'auth' && at + 2 < words.count) {
      greeting = { ...greeting, hasToken: true, token: words.text(at + 2) }
      at += 3
    } else if (option === 'setname' && at + 1 < words.count) {
      const name = words.binary(at + 1)
      const fault = clientNameFault(name)
      if (fault !== undefined) return fault
      greeting = { ...greeting, name }
      at += 2
    } else return error(`ERR Syntax error in HELLO option '${option}'`)
  }
  return greeting
}
