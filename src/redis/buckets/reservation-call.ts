/** Encodes calls on reservations for `lua/reservations.lua`; `reservation-reply.ts` decodes its reply. */
import type { Policy } from '../../domain/policy.ts'
import type { ReservationId } from '../../domain/reservation-id.ts'
import type { BucketKeys } from '../keys.ts'
import { reservationsScript } from '../scripts.ts'
import { NumberedPolicies } from './numbered-policies.ts'
import type { RecordedRequest } from './reservation-record.ts'
import { Runs } from './runs.ts'
import { argument, bucketArgument, type CallMode, ScriptCall } from './script-call.ts'

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
    const runs = new Runs()
    let fingerprints = ''
    let keyTexts = ''
    let keyCount = 0
    for (const call of calls) {
      runs.add(runOf(call, policies))
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
  let text = argument(keys.record(id))
  for (const { key } of request.named) text += bucketArgument(key, keys)
  return text
}

/** "what ttl keys", as the script reads it. */
function runOf({ request, asked }: AskedReservation, policies: NumberedPolicies): string {
  const ttlMs = asked.what === 'extend' ? (asked.ttlMs ?? 0) : 0
  let keys = ''
  for (let i = 0; i < request.named.length; i++) keys += `${i > 0 ? ',' : ''}${amountOf(asked, i, policies)}`
  return `${CODES[asked.what]} ${ttlMs} ${keys}`
}

/** "policy:tokens" */
function amountOf(asked: AskedOfReservation, index: number, policies: NumberedPolicies): string {
  if (!('policies' in asked)) return '0:0'
  const policy = asked.policies[index] as Policy
  return `${policy.limits.length === 0 ? 0 : policies.numberOf(policy)}:${asked.tokens[index]}`
}
