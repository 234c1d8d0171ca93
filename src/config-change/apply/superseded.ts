import type { Rejection } from '../../domain/decider.ts'
import type { FailedCommand } from '../../domain/outcome.ts'

/**
 * Why a command that had failed must not be applied any more: what was decided after it would be undone.
 * @param standing how far its actor is now
 */
export function supersededBy(failure: FailedCommand | undefined, standing: number): Rejection | undefined {
  if (failure === undefined) return superseded('it failed longer ago than is remembered')
  if (failure.standing === standing) return undefined
  return superseded('what it asks to change was changed since it failed')
}

function superseded(why: string): Rejection {
  return { code: 'superseded', detail: `the command comes too late: ${why}; ask for the change anew` }
}
