import { TimeoutError } from '../lib/deadline.ts'
import { Problem } from '../lib/errors.ts'
import { faultFields } from '../lib/operator-error.ts'
import { reasonOf as wordsOf } from '../redis/connection/connection-report.ts'
import { isReply } from '../redis/connection/failure-reason.ts'
import { isTransient } from '../redis/connection/transient.ts'

/**
 * Adds the reason, as in `/health`, to a problem of the policy store. The flow that reports the problem knows no technology, so it cannot
 * tell.
 */
export function explainStoreFailure(reasonOf: (err: unknown) => string): (problem: Problem) => Problem {
  return problem => {
    const { code, detail, cause, members, headers } = problem
    if (code !== 'config-store-unavailable' || !isStoreFailure(cause)) return problem
    return new Problem(code, `${detail} (reason: ${reasonOf(cause)})`, { cause, members, headers })
  }
}

/** What to log of the cause of a problem. A store that fails is no bug, so the stack of its client would say nothing. */
export function causeFields(cause: unknown): { reason: string } | { err: unknown } {
  return isStoreFailure(cause) ? { reason: wordsOf(cause) } : faultFields(cause)
}

/** Whether an error is of the connection or a reply. Others are damage, which explains itself, or bugs. */
function isStoreFailure(cause: unknown): cause is Error {
  return cause instanceof TimeoutError || isReply(cause) || (cause instanceof Error && isTransient(cause))
}
