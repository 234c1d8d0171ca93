import { EnvError } from './env.ts'
import type { ParentLink } from './processes/parent-link.ts'
import { CannotStart } from './processes/supervised-process.ts'
import { UnfitStore } from './redis/examine-store.ts'
import { LayoutMismatch } from './redis/layout.ts'

/** What the operator can mend; a stack would say nothing. */
const EXPECTED = [EnvError, CannotStart, LayoutMismatch, UnfitStore]

/**
 * Ends a start that failed with one report: written here, or handed to the parent, which then does so. Processes that were
 * started already are stopped first.
 */
export async function exitWithReport(
  err: unknown,
  parent?: ParentLink,
  stopChildren: () => Promise<void> = async () => undefined,
): Promise<never> {
  const isExpected = EXPECTED.some(kind => err instanceof kind)
  const reason = isExpected ? (err as Error).message : String(err instanceof Error ? err.stack : err)
  if (parent === undefined) process.stderr.write(`throttler cannot start. ${reason}\n`)
  else await parent.sendLast({ type: 'cannot-start', reason })
  await stopChildren()
  process.exit(1)
}
