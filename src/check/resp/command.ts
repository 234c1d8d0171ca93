import type { Decision } from '../../domain/decision.ts'
import type { AskedCheck } from '../pending-check.ts'
import type { Session } from './session.ts'
import type { Words } from './words.ts'

/** A check, with the reply that its decision gets. */
export interface CheckCommand extends AskedCheck {
  readonly replyTo: (decision: Decision) => string
  /** The name of the command. */
  readonly command: string
  /** The place of the reply in its batch. */
  place: number
}

/** What a command comes to: its reply, a reply that comes later, or a check. */
export type CommandResult = string | Promise<string> | CheckCommand

/** A command that clients can send. */
export interface Command {
  /** In lower case. */
  readonly name: string
  /** The number of words, the name included. Negative: that many or more. */
  readonly arity: number
  /** Whether the first argument is a key. */
  readonly hasKey?: boolean
  /** Clients that have not logged in may send it too. */
  readonly isOpen?: boolean
  /** What it costs to run, in commands that only reply. Default: 1. */
  readonly work?: number
  /** @throws {Problem} */
  run(words: Words, session: Session): CommandResult
}
