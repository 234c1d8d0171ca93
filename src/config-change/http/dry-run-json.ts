import { type Static, Type } from '@sinclair/typebox'
import { type StoredPolicy, storedPolicyMembers } from '../../domain/temporary-policy.ts'
import type { DryRun } from '../submit/dry-run.ts'
import { definitionOrNull } from './policy-json.ts'

export const DryRunResponse = Type.Object(
  {
    dryRun: Type.Literal(true, { description: 'Nothing was changed.' }),
    from: definitionOrNull('The current policy. `null` if the key has none.'),
    to: definitionOrNull('The policy that the change would store.'),
    matches: Type.Integer({
      description: 'For a prefix, how many stored policies inside it would still take precedence. 0 for an exact key.',
    }),
    warnings: Type.Array(Type.String(), { description: 'What is allowed, but probably a mistake.' }),
  },
  { title: 'DryRun', description: 'What a change would do.' },
)

export function dryRunBody({ from, to, matches, warnings }: DryRun): Static<typeof DryRunResponse> {
  const bodyOf = (policy: StoredPolicy | null) => policy && storedPolicyMembers(policy)
  return { dryRun: true, from: bodyOf(from), to: bodyOf(to), matches, warnings: [...warnings] }
}
