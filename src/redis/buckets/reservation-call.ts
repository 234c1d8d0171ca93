/** Encodes calls on reservations for `lua/reservations.lua`; `reservation-reply.ts` decodes its reply. */
import type { Policy } from '../../domain/policy.ts'
import type { ReservationId } from '../../domain/reservation-id.ts'
import type { BucketKeys } from '../keys.ts'
import { reservationsScript } from '../scripts.ts'
import { NumberedPolicies } from './numbered-policies.ts'
import type { RecordedRequest } from './reservation-record.ts'
import { Runs } from './runs.ts'
import { bucketArgument, type CallMode, recordArgument, ScriptCall } from './script-call.ts'

/** One call on a reservation whose keys are known. */
export interface AskedReservation {
  readonly id: ReservationId
  readonly request: RecordedRequest
  readonly asked: AskedOfReservation
}

/** `policies` and `tokens` are in the order of the reservation's keys. */
export type AskedOfReservation =
  | { readonly what: 'tell' }
  | { readonly what: 'settle' | 'release'; readonly policies: readonly Policy[]; readonly tokens: readonly number[] }
  | { readonly what: 'extend'; readonly ttlMs?: number | undefined }

const CODES = { tell: 0, settle: 1, release: 2, extend: 3 } as const

export class ReservationCall extends ScriptCall {
  constructor(calls: readonly AskedReservation[], keys: BucketKeys, mode?: CallMode) {
    const policies = new NumberedPolicies()
    const runs = new Runs<AskedReservation>(areAlike, call => runOf(call, policies))
    let fingerprints = ''
    let keyTexts = ''
    let keyCount = 0
    for (const call of calls) {
      runs.add(call)
      fingerprints += `${call.request.fingerprint}\n`
      keyTexts += keysOf(call, keys)
      keyCount += call.request.named.length + 1
    }
    super(
      {
        script: reservationsScript,
        keyCount,
        keys: keyTexts,
        args: [`${runs.text}\n${fingerprints}`, policies.text],
        firstKey: calls[0] && keys.record(calls[0].id),
      },
      mode,
    )
  }
}

function keysOf({ id, request }: AskedReservation, keys: BucketKeys): string {
  let text = recordArgument(id, keys)
  for (const { key } of request.named) text += bucketArgument(key, keys)
  return text
}

function areAlike({ asked: a, request }: AskedReservation, { asked: b, request: other }: AskedReservation): boolean {
  return (
    a.what === b.what && ttlOf(a) === ttlOf(b) && request.named.length === other.named.length && haveSameAmounts(a, b)
  )
}

function haveSameAmounts(a: AskedOfReservation, b: AskedOfReservation): boolean {
  if (!('policies' in a && 'policies' in b)) return true
  return a.tokens.every((tokens, i) => tokens === b.tokens[i] && a.policies[i]?.limits === b.policies[i]?.limits)
}

/** 0 as at the start. */
function ttlOf(asked: AskedOfReservation): number {
  return asked.what === 'extend' ? (asked.ttlMs ?? 0) : 0
}

/** "what ttl keys", as the script reads it. */
function runOf({ request, asked }: AskedReservation, policies: NumberedPolicies): string {
  let keys = ''
  for (let i = 0; i < request.named.length; i++) keys += `${i > 0 ? ',' : ''}${amountOf(asked, i, policies)}`
  return `${CODES[asked.what]} ${ttlOf(asked)} ${keys}`
}

/** "policy:tokens" */
function amountOf(asked: AskedOfReservation, index: number, policies: NumberedPolicies): string {
  if (!('policies' in asked)) return '0:0'
  const policy = asked.policies[index] as Policy
  return `${policy.limits.length === 0 ? 0 : policies.numberOf(policy)}:${asked.tokens[index]}`
}
