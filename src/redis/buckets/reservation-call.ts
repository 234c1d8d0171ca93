/** Encodes calls on reservations for `lua/reservations.lua`; `reservation-reply.ts` decodes its reply. */
import type { Policy } from '../../domain/policy.ts'
import type { ReservationId } from '../../domain/reservation-id.ts'
import type { BucketKeys } from '../keys.ts'
import { reservationsScript } from '../scripts.ts'
import { NumberedPolicies } from './numbered-policies.ts'
import type { RecordedRequest } from './reservation-record.ts'
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
    const numbers = calls.flatMap(call => numbersOf(call, policies))
    const fingerprints = calls.map(({ request }) => request.fingerprint).join('')
    super(
      {
        script: reservationsScript,
        keyCount: calls.reduce((sum, { request }) => sum + request.named.length + 1, 0),
        keys: calls.map(call => keysOf(call, keys)).join(''),
        args: [`[${numbers}]\n${fingerprints}`, policies.text],
        firstKey: calls[0] && keys.record(calls[0].id),
      },
      mode,
    )
  }
}

function keysOf({ id, request }: AskedReservation, keys: BucketKeys): string {
  return argument(keys.record(id)) + request.named.map(({ key }) => bucketArgument(key, keys)).join('')
}

function numbersOf({ request, asked }: AskedReservation, policies: NumberedPolicies): readonly number[] {
  const { fingerprint, named } = request
  const head = [Buffer.byteLength(fingerprint), named.length, CODES[asked.what]]
  if (asked.what === 'tell') return head
  if (asked.what === 'extend') return [...head, asked.ttlMs ?? 0]
  const numberOf = (policy: Policy) => (policy.limits.length === 0 ? 0 : policies.numberOf(policy))
  return [...head, ...asked.policies.flatMap((policy, i) => [numberOf(policy), asked.tokens[i] ?? 0])]
}
