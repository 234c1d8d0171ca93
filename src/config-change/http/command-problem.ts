import type { FailedCommand, RejectedCommand } from '../../domain/outcome.ts'
import { Problem } from '../../lib/errors.ts'
import { rejectionProblem } from '../rejection-problem.ts'

/** How a command ended that was not applied. */
type NotApplied = Pick<RejectedCommand, 'status' | 'error'> | Pick<FailedCommand, 'status' | 'error'>

/** The problem that tells a caller why a command was not applied. */
export function commandProblem(commandId: string, result: NotApplied): Problem {
  if (result.status === 'rejected') return rejectionProblem(result.error)
  const { code, detail } = result.error
  return new Problem(code, detail, { members: { commandId } })
}
