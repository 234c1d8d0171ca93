import { randomUUID } from 'node:crypto'
import { commandId } from '../../domain/command-id.ts'
import type { PutPolicy } from '../../domain/commands.ts'
import { decide, stateAt } from '../../domain/decider.ts'
import type { StoredPolicy } from '../../domain/temporary-policy.ts'
import { configKeyWarnings } from '../config-key-warnings.ts'
import { mapStoreErrors } from '../map-store-errors.ts'
import type { PolicyReader } from '../ports.ts'
import { rejectionProblem } from '../rejection-problem.ts'

interface DryRunOptions {
  readonly reader: PolicyReader
  /** ISO 8601 */
  readonly at: string
}

/** What a command would change if it were applied now, before all queued commands. */
export interface DryRun {
  /** `null` if the key has no policy. */
  readonly from: StoredPolicy | null
  readonly to: StoredPolicy | null
  /** For a prefix, how many stored policies inside it still take precedence. */
  readonly matches: number
  readonly warnings: readonly string[]
}

/** @throws {Problem} the reason why it would be rejected */
export async function dryRun(command: Omit<PutPolicy, 'id'>, { reader, at }: DryRunOptions): Promise<DryRun> {
  const { key } = command
  const [state, matches] = await mapStoreErrors(Promise.all([reader.state(key), reader.countInside(key)]))
  const decision = decide(state, { ...command, id: commandId(key, randomUUID()) }, at)
  if (decision.kind === 'rejected') throw rejectionProblem(decision.rejection)
  const from = stateAt(state, Date.parse(at)).policy
  const to = decision.kind === 'changed' ? decision.event.policy : from
  return { from, to, matches, warnings: configKeyWarnings(key) }
}
