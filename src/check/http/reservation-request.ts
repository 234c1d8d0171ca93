import { type FieldError, validationProblem } from '../../lib/errors.ts'
import { acceptKey, acceptPolicyName } from '../accept-key.ts'
import type { AskedCheck } from '../pending-check.ts'
import type { Amounts } from '../ports.ts'
import { acceptChecks, pathInBody, withTokens } from './accept-checks.ts'
import type { ReservationRequest, SettleRequest } from './reservation.schema.ts'

/**
 * The checks of a request in its short form (`key`) or its long form (`checks`).
 * @throws {Problem} `key-invalid`, `key-reserved`, `validation-failed`
 */
export function requestedChecks({ key, tokens, policy, checks }: ReservationRequest): readonly AskedCheck[] {
  if (checks !== undefined) {
    refuseMembers({ key, policy }, 'is not allowed together with checks')
    acceptChecks(checks, pathInBody)
    return withTokens(checks, tokens)
  }
  if (key === undefined) throw validationProblem([{ path: '/key', message: 'is missing; give key, or checks' }])
  acceptKey('/key', key)
  acceptPolicyName('/policy', policy)
  return [{ key, tokens, policy }]
}

/**
 * What the work cost, or `reserved` if the request does not say.
 * @throws {Problem} `key-invalid`, `key-reserved`, `validation-failed`
 */
export function amountsOf({ tokens, checks }: SettleRequest): Exclude<Amounts, 'release'> {
  if (checks === undefined) return tokens ?? 'reserved'
  refuseMembers({ tokens }, 'is not allowed together with checks')
  acceptChecks(checks, pathInBody)
  return new Map(checks.map(({ key, tokens }) => [key, tokens]))
}

function refuseMembers(members: Readonly<Record<string, unknown>>, message: string): void {
  const given = Object.keys(members).filter(name => members[name] !== undefined)
  const faults: FieldError[] = given.map(name => ({ path: `/${name}`, message }))
  if (faults.length > 0) throw validationProblem(faults)
}
