/** What an import does to one config key, as it is applied and as a dry run shows it. */
import type { ImportCommand } from '../../domain/commands.ts'
import { type CommandDecision, decide, type PolicyState } from '../../domain/decider.ts'
import { effectOf, type ImportCounts, NOTHING_IMPORTED } from '../../domain/outcome.ts'

/**
 * @param at time of the decision, ISO 8601
 * @param prunes whether a line that counts as if it were not in the file prunes its key, like the absence of a line
 */
export function decideImport(
  state: PolicyState,
  command: ImportCommand,
  { at, prunes }: { readonly at: string; readonly prunes: boolean },
): CommandDecision {
  const decision = decide(state, command, at)
  if (!prunes || command.type === 'prune' || !isIgnored(decision)) return decision
  const { policy: _, ...unnamed } = command
  return decide(state, { ...unnamed, type: 'prune' }, at)
}

export function countsOf(state: PolicyState, decision: CommandDecision): ImportCounts {
  if (decision.kind === 'changed') return { ...NOTHING_IMPORTED, [effectOf(state, decision.event)]: 1 }
  return { ...NOTHING_IMPORTED, unchanged: isIgnored(decision) ? 0 : 1 }
}

function isIgnored(decision: CommandDecision): boolean {
  return decision.kind === 'unchanged' && decision.isIgnored === true
}
