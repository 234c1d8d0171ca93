/** Encodes groups of checks for `lua/check-groups.lua`; `group-reply.ts` decodes its reply. */
import type { BucketCheck, CheckGroup, HoldRequest } from '../../check/ports.ts'
import type { NamedKey } from '../../domain/reservation.ts'
import type { BucketKeys } from '../keys.ts'
import { checkGroupsScript } from '../scripts.ts'
import { NumberedPolicies } from './numbered-policies.ts'
import { recordText } from './reservation-record.ts'
import { Runs } from './runs.ts'
import { bucketArgument, type CallMode, recordArgument, ScriptCall } from './script-call.ts'

export class GroupCall extends ScriptCall {
  constructor(groups: readonly CheckGroup[], keys: BucketKeys, mode?: CallMode) {
    const encoded = new EncodedGroups(groups, keys)
    super(
      {
        script: checkGroupsScript,
        keyCount: encoded.keyCount,
        keys: encoded.keys,
        args: [`${encoded.runs}\n${encoded.texts}`, encoded.policies],
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
  texts = ''
  keys = ''
  keyCount = 0
  readonly #bucketKeys: BucketKeys
  readonly #policies = new NumberedPolicies()
  readonly #runs = new Runs<CheckGroup>(areAlike, group => groupText(group, this.#policies))

  constructor(groups: readonly CheckGroup[], keys: BucketKeys) {
    this.#bucketKeys = keys
    for (const group of groups) this.#add(group)
  }

  get runs(): string {
    return this.#runs.text
  }

  get policies(): string {
    return this.#policies.text
  }

  #add(group: CheckGroup): void {
    const { checks, hold } = group
    this.#runs.add(group)
    for (const { key } of checks) this.keys += bucketArgument(key, this.#bucketKeys)
    this.keyCount += checks.length
    if (hold === undefined) return
    this.keys += recordArgument(hold.id, this.#bucketKeys)
    this.keyCount++
    this.texts += `${recordText(hold)}\r`
  }
}

function areAlike(a: CheckGroup, b: CheckGroup): boolean {
  return haveSameChecks(a, b) && haveSameHold(a, b)
}

function haveSameChecks(a: CheckGroup, b: CheckGroup): boolean {
  return (
    a.checks.length === b.checks.length &&
    a.checks.every(({ policy: { limits }, tokens }, i) => {
      const { policy, tokens: others } = b.checks[i] as BucketCheck
      return policy.limits === limits && others === tokens && a.shadowed[i] === b.shadowed[i]
    })
  )
}

function haveSameHold({ checks, hold: a }: CheckGroup, { checks: others, hold: b }: CheckGroup): boolean {
  if (a === undefined || b === undefined) return a === b
  const isSame = (named: NamedKey, i: number) => {
    const other = b.named[i] as NamedKey
    return named.tokens === other.tokens && numberOf(named, i, checks) === numberOf(other, i, others)
  }
  const isAlike = a.ttlMs === b.ttlMs && a.onExpiry === b.onExpiry && a.isNew === b.isNew
  return isAlike && a.named.length === b.named.length && a.named.every(isSame)
}

function groupText({ checks, shadowed, hold }: CheckGroup, policies: NumberedPolicies): string {
  let text = ''
  for (let i = 0; i < checks.length; i++) {
    const { policy, tokens } = checks[i] as BucketCheck
    text += `${i > 0 ? ',' : ''}${policies.numberOf(policy)}:${tokens}${shadowed[i] ? '~' : ''}`
  }
  return `${text || '-'} ${hold === undefined ? '-' : holdText(hold, checks)}`
}

function holdText({ ttlMs, onExpiry, isNew = false, named }: HoldRequest, checks: CheckGroup['checks']): string {
  let text = `${ttlMs}:${Number(onExpiry === 'charge')}:${Number(isNew)}`
  for (const [i, key] of named.entries()) text += `:${key.tokens}:${numberOf(key, i, checks)}`
  return text
}

/** The number of the check of a reservation's key; 0 if it has none. Most often all keys have one, in the same order. */
function numberOf({ key }: NamedKey, index: number, checks: CheckGroup['checks']): number {
  return (checks[index]?.key === key ? index : checks.findIndex(check => check.key === key)) + 1
}
