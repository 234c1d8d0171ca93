/** Encodes groups of checks for `lua/check-groups.lua`; `group-reply.ts` decodes its reply. */
import type { BucketCheck, CheckGroup, HoldRequest } from '../../check/ports.ts'
import type { BucketKeys } from '../keys.ts'
import { checkGroupsScript } from '../scripts.ts'
import { NumberedPolicies } from './numbered-policies.ts'
import { recordText } from './reservation-record.ts'
import { Runs } from './runs.ts'
import { argument, bucketArgument, type CallMode, ScriptCall } from './script-call.ts'

export class GroupCall extends ScriptCall {
  constructor(groups: readonly CheckGroup[], keys: BucketKeys, mode?: CallMode) {
    const encoded = new EncodedGroups(groups, keys)
    super(
      {
        script: checkGroupsScript,
        keyCount: encoded.keyCount,
        keys: encoded.keys,
        args: [`${encoded.runs.text}\n${encoded.texts}`, encoded.policies.text],
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
  readonly runs = new Runs()
  readonly policies = new NumberedPolicies()
  texts = ''
  keys = ''
  keyCount = 0
  readonly #bucketKeys: BucketKeys

  constructor(groups: readonly CheckGroup[], keys: BucketKeys) {
    this.#bucketKeys = keys
    for (const group of groups) this.#add(group)
  }

  #add(group: CheckGroup): void {
    const { checks, hold } = group
    this.runs.add(`${this.#checksOf(group)} ${hold === undefined ? '-' : holdText(hold, checks)}`)
    for (const { key } of checks) this.keys += bucketArgument(key, this.#bucketKeys)
    this.keyCount += checks.length
    if (hold === undefined) return
    this.keys += argument(this.#bucketKeys.record(hold.id))
    this.keyCount++
    this.texts += `${recordText(hold)}\r`
  }

  #checksOf({ checks, shadowed }: CheckGroup): string {
    let text = ''
    for (let i = 0; i < checks.length; i++) {
      const { policy, tokens } = checks[i] as BucketCheck
      text += `${i > 0 ? ',' : ''}${this.policies.numberOf(policy)}:${tokens}${shadowed[i] ? '~' : ''}`
    }
    return text || '-'
  }
}

function holdText({ ttlMs, onExpiry, isNew = false, named }: HoldRequest, checks: CheckGroup['checks']): string {
  let text = `${ttlMs}:${Number(onExpiry === 'charge')}:${Number(isNew)}`
  for (const { key, tokens } of named) text += `:${tokens}:${checks.findIndex(check => check.key === key) + 1}`
  return text
}
