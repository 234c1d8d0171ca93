import { reportOf } from '../lib/operator-error.ts'
import type { ParentLink } from './parent-link.ts'

/**
 * Reports why the start failed, stops the children that were already started, and exits with 1. A supervised process sends the
 * report to its parent, which writes it.
 */
export async function exitWithReport(
  err: unknown,
  parent?: ParentLink,
  stopChildren: () => Promise<unknown> = async () => undefined,
): Promise<never> {
  const reason = reportOf(err)
  if (parent === undefined) process.stderr.write(`throttler cannot start. ${reason}\n`)
  else await parent.sendAndFlush({ type: 'cannot-start', reason })
  await stopChildren()
  process.exit(1)
}
