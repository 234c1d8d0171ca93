/** Encodes groups of checks for `lua/check-groups.lua`; `group-reply.ts` decodes its reply. */
import type { CheckGroup, HoldRequest } from '../../check/ports.ts'
import type { BucketKeys } from '../keys.ts'
import { checkGroupsScript } from '../scripts.ts'
import { NumberedPolicies } from './numbered-policies.ts'
import { recordText } from './reservation-record.ts'
import { argument, bucketArgument, type CallMode, ScriptCall } from './script-call.ts'

export class GroupCall extends ScriptCall {
  constructor(groups: readonly CheckGroup[], keys: BucketKeys, mode?: CallMode) {
    const policies = new NumberedPolicies()
    const holds = groups.flatMap(({ hold }) => (hold === undefined ? [] : [hold]))
    const numbers = groups.flatMap(group => numbersOf(group, policies))
    const texts = holds.map(({ id, ...hold }) => id + recordText(hold)).join('')
    super(
      {
        script: checkGroupsScript,
        keyCount: groups.reduce((sum, { checks }) => sum + checks.length, holds.length),
        keys: groups.map(group => keysOf(group, keys)).join(''),
        args: [`[${numbers}]\n${texts}`, policies.text],
        firstKey: groups[0] && firstKeyOf(groups[0], keys),
      },
      mode,
    )
  }
}

function firstKeyOf({ checks: [first], hold }: CheckGroup, keys: BucketKeys): string {
  return hold === undefined ? keys.bucket(first?.key ?? '') : keys.record(hold.id)
}

function keysOf({ checks, hold }: CheckGroup, keys: BucketKeys): string {
  const buckets = checks.map(({ key }) => bucketArgument(key, keys)).join('')
  return hold === undefined ? buckets : buckets + argument(keys.record(hold.id))
}

function numbersOf({ checks, shadowed, hold }: CheckGroup, policies: NumberedPolicies): readonly number[] {
  const ofChecks = checks.flatMap(({ policy, tokens }, i) => [policies.numberOf(policy), tokens, Number(shadowed[i])])
  const ofHold = hold === undefined ? [] : numbersOfHold(hold, checks)
  return [checks.length, Number(hold !== undefined), ...ofChecks, ...ofHold]
}

function numbersOfHold(hold: HoldRequest, checks: CheckGroup['checks']): readonly number[] {
  const { id, ttlMs, onExpiry, isNew = false, named } = hold
  const sizes = [id.length, Buffer.byteLength(recordText(hold))]
  const numberOf = (key: string) => checks.findIndex(check => check.key === key) + 1
  const ofKeys = named.flatMap(({ key, tokens }) => [tokens, numberOf(key)])
  return [ttlMs, Number(onExpiry === 'charge'), Number(isNew), ...sizes, named.length, ...ofKeys]
}
