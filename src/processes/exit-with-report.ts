import { OperatorError } from '../lib/operator-error.ts'
import type { ParentLink } from './parent-link.ts'

/**
 * Ends a start that failed with one report: written here, or handed to the parent, which then does so. Processes that were
 * started already are stopped first.
 */
export async function exitWithReport(
  err: unknown,
  parent?: ParentLink,
  stopChildren: () => Promise<void> = async () => undefined,
): Promise<never> {
  const reason = err instanceof OperatorError ? err.message : String(err instanceof Error ? err.stack : err)
  if (parent === undefined) process.stderr.write(`throttler cannot start. ${reason}\n`)
  else await parent.sendLast({ type: 'cannot-start', reason })
  await stopChildren()
  process.exit(1)
}
