import type { Rejection } from '../../domain/decider.ts'
import type { FailedCommand } from '../../domain/outcome.ts'

/**
 * Why a retry of a failed command must be rejected: it would undo what was changed since.
 * @param revision the present one of the command's key, or of its partition for a part of an import
 */
export function supersededBy(failure: FailedCommand | undefined, revision: number): Rejection | undefined {
  if (failure === undefined) return superseded('it failed longer ago than is remembered')
  if (failure.revisionAtFailure === revision) return undefined
  return superseded('the policy was changed since it failed')
}

function superseded(why: string): Rejection {
  return { code: 'superseded', detail: `the command is superseded: ${why}; request the change again` }
}
