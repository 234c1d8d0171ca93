import type { FailedCommand, RejectedCommand } from '../../domain/outcome.ts'
import { Problem } from '../../lib/errors.ts'

/** Why a command was not applied, as it is answered to whoever waited for it or asks. */
export function commandProblem(
  commandId: string,
  ending: Pick<RejectedCommand | FailedCommand, 'status' | 'error'>,
): Problem {
  const { code, detail } = ending.error
  return new Problem(code, detail, ending.status === 'failed' ? { members: { commandId } } : {})
}
