import type { FailedCommand, RejectedCommand } from '../../domain/outcome.ts'
import { Problem } from '../../lib/errors.ts'

/** The problem that tells a caller why a command was not applied. */
export function commandProblem(
  commandId: string,
  result: Pick<RejectedCommand | FailedCommand, 'status' | 'error'>,
): Problem {
  const { code, detail } = result.error
  return new Problem(code, detail, result.status === 'failed' ? { members: { commandId } } : {})
}
