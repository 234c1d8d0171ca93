import type { Callers } from '../../access/callers.ts'
import type { Problem } from '../../lib/errors.ts'
import type { CallLog } from '../../observability/call-log.ts'
import { WRONGPASS } from './redis-errors.ts'
import { problemReply } from './replies.ts'
import type { Session } from './session.ts'

/** What a login costs, in commands that only reply: a failed one may ask the store. */
export const LOGIN_WORK = 20

/** Logs clients in by their tokens. */
export class Logins {
  readonly #callers: Callers
  readonly #calls: CallLog

  constructor(callers: Callers, calls: CallLog) {
    this.#callers = callers
    this.#calls = calls
  }

  /** Whether the client may check. */
  isAdmitted({ actor }: Session): boolean {
    return actor !== undefined || this.#callers.areChecksOpen
  }

  /** Returns the error that a client with this token gets; `undefined` if it is logged in, or needs no token. */
  logIn(session: Session, presented: string | undefined): string | Promise<string> | undefined {
    if (this.#callers.areChecksOpen) return undefined
    const token = this.#callers.findTokenForChecks(presented)
    if (token === undefined) return this.#refuse(session)
    const fault = this.#callers.checkFault(token)
    if (fault !== undefined) return problemReply(fault)
    session.actor = token.name
    return undefined
  }

  /** Waits for nothing if the client has made too many attempts. */
  #refuse({ address }: Session): string | Promise<string> {
    this.#calls.loginRefused(() => ({ protocol: 'resp', address }))
    const counted = this.#callers.countFailedLogin(address)
    return counted instanceof Promise ? counted.then(refusal) : refusal(counted)
  }
}

function refusal(problem: Problem | undefined): string {
  return problem === undefined ? WRONGPASS : problemReply(problem)
}
