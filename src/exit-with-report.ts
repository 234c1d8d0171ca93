import { EnvError } from './env.ts'
import type { ParentLink } from './processes/parent-link.ts'
import { CannotStart } from './processes/supervised-process.ts'
import { LayoutMismatch } from './redis/layout.ts'

/** Ends a start that failed with one report: written here, or handed to the parent, which then does so. */
export async function exitWithReport(err: unknown, parent?: ParentLink): Promise<never> {
  const isExpected = err instanceof EnvError || err instanceof CannotStart || err instanceof LayoutMismatch
  const reason = isExpected ? err.message : String(err instanceof Error ? err.stack : err)
  if (parent === undefined) process.stderr.write(`throttler cannot start. ${reason}\n`)
  else await parent.sendLast({ type: 'cannot-start', reason })
  process.exit(1)
}
