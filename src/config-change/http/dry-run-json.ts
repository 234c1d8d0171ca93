import { type Static, Type } from '@sinclair/typebox'
import { type PolicyDefinition, policyMembers } from '../../domain/policy.ts'
import type { DryRun } from '../submit/dry-run.ts'
import { PolicyOrNone } from './policy-json.ts'

export const DryRunResponse = Type.Object({
  dryRun: Type.Literal(true),
  from: PolicyOrNone,
  to: PolicyOrNone,
  matches: Type.Integer({
    description: 'For a prefix, how many stored policies inside it still take precedence; 0 for an exact key.',
  }),
  warnings: Type.Array(Type.String(), { description: 'Valid, but probably not intended.' }),
})

export function dryRunBody({ from, to, matches, warnings }: DryRun): Static<typeof DryRunResponse> {
  const bodyOf = (policy: PolicyDefinition | null) => policy && policyMembers(policy)
  return { dryRun: true, from: bodyOf(from), to: bodyOf(to), matches, warnings: [...warnings] }
}
