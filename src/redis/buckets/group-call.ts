/** Encodes groups of checks for `lua/check-groups.lua`; `group-reply.ts` decodes its reply. */
import type { CheckGroup, HoldRequest } from '../../check/ports.ts'
import type { BucketKeys } from '../keys.ts'
import { checkGroupsScript } from '../scripts.ts'
import { NumberedPolicies } from './numbered-policies.ts'
import { recordText } from './reservation-record.ts'
import { argument, bucketArgument, type CallMode, ScriptCall } from './script-call.ts'

export class GroupCall extends ScriptCall {
  constructor(groups: readonly CheckGroup[], keys: BucketKeys, mode?: CallMode) {
    const encoded = new EncodedGroups(groups, keys)
    super(
      {
        script: checkGroupsScript,
        keyCount: encoded.keyCount,
        keys: encoded.keys,
        args: [`[${encoded.numbers}]\n${encoded.texts}`, encoded.policies.text],
        firstKey: groups[0] && firstKeyOf(groups[0], keys),
      },
      mode,
    )
  }
}

function firstKeyOf({ checks: [first], hold }: CheckGroup, keys: BucketKeys): string {
  return hold === undefined ? keys.bucket(first?.key ?? '') : keys.record(hold.id)
}

/** What the script expects, as far as it was encoded. */
class EncodedGroups {
  readonly numbers: number[] = []
  readonly policies = new NumberedPolicies()
  texts = ''
  keys = ''
  keyCount = 0
  readonly #bucketKeys: BucketKeys

  constructor(groups: readonly CheckGroup[], keys: BucketKeys) {
    this.#bucketKeys = keys
    for (const group of groups) this.#add(group)
  }

  #add({ checks, shadowed, hold }: CheckGroup): void {
    this.numbers.push(checks.length, Number(hold !== undefined))
    for (const [i, { key, policy, tokens }] of checks.entries()) {
      this.numbers.push(this.policies.numberOf(policy), tokens, Number(shadowed[i]))
      this.#addKey(bucketArgument(key, this.#bucketKeys))
    }
    if (hold !== undefined) this.#addHold(hold, checks)
  }

  #addHold(hold: HoldRequest, checks: CheckGroup['checks']): void {
    const { id, ttlMs, onExpiry, isNew = false, named } = hold
    const text = recordText(hold)
    this.numbers.push(ttlMs, Number(onExpiry === 'charge'), Number(isNew), id.length, Buffer.byteLength(text))
    this.numbers.push(named.length)
    for (const { key, tokens } of named) this.numbers.push(tokens, checks.findIndex(check => check.key === key) + 1)
    this.texts += id + text
    this.#addKey(argument(this.#bucketKeys.record(id)))
  }

  #addKey(asArgument: string): void {
    this.keys += asArgument
    this.keyCount++
  }
}
