import type { Callers } from '../../access/callers.ts'
import { Problem } from '../../lib/errors.ts'
import type { CallLog } from '../../observability/call-log.ts'
import type { RequestPolicies } from '../request-policies.ts'
import type { Command, CommandResult } from './command.ts'
import { auth } from './commands/auth.ts'
import { clThrottle } from './commands/cl-throttle.ts'
import { CLIENT } from './commands/client.ts'
import { commandList } from './commands/command-list.ts'
import { ECHO, PING, QUIT, RESET, SELECT } from './commands/connection.ts'
import { hello } from './commands/hello.ts'
import { info } from './commands/info.ts'
import { THROTTLE_CHECK } from './commands/throttle-check.ts'
import { Logins } from './logins.ts'
import { NOAUTH, unknownCommand, wrongNumberOfArguments } from './redis-errors.ts'
import { problemReply } from './replies.ts'
import type { Session } from './session.ts'
import type { Words } from './words.ts'

export interface CommandTableOptions {
  readonly callers: Callers
  readonly calls: CallLog
  readonly requestPolicies: RequestPolicies
  /** Of this service. */
  readonly version: string
}

/** Every command of the port. */
export class CommandTable {
  readonly #logins: Logins
  readonly #commands: ReadonlyMap<string, Command>

  constructor({ callers, calls, requestPolicies, version }: CommandTableOptions) {
    this.#logins = new Logins(callers, calls)
    const commands: readonly Command[] = [
      THROTTLE_CHECK,
      clThrottle(requestPolicies),
      auth(this.#logins),
      hello(this.#logins, version),
      PING,
      ECHO,
      QUIT,
      RESET,
      SELECT,
      CLIENT,
      info(version),
      commandList(() => this.#commands.values()),
    ]
    this.#commands = new Map(commands.map(command => [command.name, command]))
  }

  /** Whether the client may check. */
  isAdmitted(session: Session): boolean {
    return this.#logins.isAdmitted(session)
  }

  /** `undefined` if there is no such command. */
  find(words: Words): Command | undefined {
    return this.#commands.get(words.name(0))
  }

  /** What the command comes to, which is an error for a client that may not send it and for invalid arguments. */
  run(command: Command | undefined, words: Words, session: Session): CommandResult {
    if (command?.isOpen !== true && !this.#logins.isAdmitted(session)) return NOAUTH
    if (command === undefined) return unknownCommand(words)
    if (!hasArity(command, words.count)) return wrongNumberOfArguments(command)
    try {
      return command.run(words, session)
    } catch (err) {
      if (err instanceof Problem) return problemReply(err)
      throw err
    }
  }
}

function hasArity({ arity }: Command, count: number): boolean {
  return arity < 0 ? count >= -arity : count === arity
}
