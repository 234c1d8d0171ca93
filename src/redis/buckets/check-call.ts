/** Encodes a batch of checks for `lua/check.lua`; `check-reply.ts` decodes its reply. */
import type { BucketCheck } from '../../check/ports.ts'
import { chargesDenials } from '../../domain/overdraft.ts'
import type { Policy } from '../../domain/policy.ts'
import type { BucketKeys } from '../keys.ts'
import { checkScript } from '../scripts.ts'
import { NumberedPolicies } from './numbered-policies.ts'
import { bucketArgument, type CallMode, ScriptCall } from './script-call.ts'

interface CheckCallOptions extends CallMode {
  readonly checks: readonly BucketCheck[]
  readonly keys: BucketKeys
}

/** One call of the script for checks. */
export class CheckCall extends ScriptCall {
  constructor({ checks, keys, ...mode }: CheckCallOptions) {
    const policies = new NumberedPolicies()
    const runs = runsOf(checks, policies)
    const first = checks[0]
    let buckets = ''
    for (const { key } of checks) buckets += bucketArgument(key, keys)
    super(
      {
        script: checkScript,
        keyCount: checks.length,
        keys: buckets,
        args: [runs, policies.text],
        firstKey: first && keys.bucket(first.key),
      },
      mode,
    )
  }
}

/** Run-length encodes checks with the same limits and tokens, as `lua/check.lua` reads them. */
function runsOf(checks: readonly BucketCheck[], policies: NumberedPolicies): string {
  const runs: string[] = []
  for (let start = 0; start < checks.length; ) {
    const { policy, tokens } = checks[start] as BucketCheck
    const { limits } = policy
    let end = start + 1
    while (checks[end]?.policy.limits === limits && checks[end]?.tokens === tokens) end++
    runs.push(`${policies.numberOf(policy)},${askedText(policy, tokens)},${end - start}`)
    start = end
  }
  return `[${runs.join()}]`
}

function askedText({ definition }: Policy, tokens: number): string {
  if (tokens < 0) return `"${-tokens}-"`
  return chargesDenials(definition, tokens) ? `"${tokens}+"` : `${tokens}`
}
