import { TimeoutError } from '../lib/deadline.ts'
import { Problem } from '../lib/errors.ts'
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

/** Whether an error is of the connection or a reply. Others are damage, which explains itself, or bugs. */
function isStoreFailure(cause: unknown): boolean {
  return cause instanceof TimeoutError || isReply(cause) || (cause instanceof Error && isTransient(cause))
}
