import type { Rejection } from '../../domain/decider.ts'
import type { FailedCommand } from '../../domain/outcome.ts'

/**
 * Why a retry of a failed command must be rejected: it would undo what was changed since.
 * @param revision the present one of the command's key
 */
export function supersededBy(failure: FailedCommand | undefined, revision: number): Rejection | undefined {
  const revisionAtFailure = knownRevision(failure)
  if (typeof revisionAtFailure === 'string') return superseded(revisionAtFailure)
  return revisionAtFailure === revision ? undefined : superseded('the policy was changed since it failed')
}

/** The revision at the failure, or why it is unknown. */
export function knownRevision(failure: FailedCommand | undefined): number | string {
  if (failure === undefined) return 'it failed longer ago than is remembered'
  return failure.revisionAtFailure ?? 'what it would change could not be read when it failed'
}

function superseded(why: string): Rejection {
  return { code: 'superseded', detail: `the command is superseded: ${why}; request the change again` }
}
