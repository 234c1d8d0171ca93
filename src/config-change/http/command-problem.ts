import type { FailedCommand, RejectedCommand } from '../../domain/outcome.ts'
import { Problem } from '../../lib/errors.ts'

/** The problem that tells a caller why a command was not applied. */
export function commandProblem(
  commandId: string,
  ending: Pick<RejectedCommand | FailedCommand, 'status' | 'error'>,
): Problem {
  const { code, detail } = ending.error
  return new Problem(code, detail, ending.status === 'failed' ? { members: { commandId } } : {})
}
