import { createHash } from 'node:crypto'
import type { OnExpiry } from '../domain/holds.ts'
import { reservationId } from '../domain/reservation-id.ts'
import { randomToken } from '../lib/random-token.ts'
import type { AskedCheck } from './pending-check.ts'
import type { CheckOrigin, HoldRequest } from './ports.ts'

export interface ReservationRequest {
  readonly checks: readonly AskedCheck[]
  readonly ttlMs: number
  readonly onExpiry: OnExpiry
  /** The token of the caller, if it sent one. It scopes the idempotency key, and keeps the id from being guessed by other callers. */
  readonly callerToken: string | undefined
  readonly idempotencyKey: string | undefined
  /** The call that asks. */
  readonly origin?: CheckOrigin
}

/** An id without an idempotency key is never asked for again, so its fingerprint says nothing. */
const NO_FINGERPRINT = '-'

/** The hold of a request. Requests with the same token, first key and idempotency key have the same id. */
export function requestedHold({
  checks,
  ttlMs,
  onExpiry,
  callerToken,
  idempotencyKey,
}: ReservationRequest): HoldRequest {
  const { key = '' } = checks[0] ?? {}
  if (idempotencyKey === undefined) {
    const id = reservationId(key, randomToken())
    return { id, ttlMs, onExpiry, fingerprint: NO_FINGERPRINT, isNew: true, named: checks }
  }
  const id = reservationId(key, digest([callerToken, key, idempotencyKey]))
  const asked = checks.map(({ key, tokens, policy }) => [key, tokens, policy])
  return { id, ttlMs, onExpiry, fingerprint: digest([asked, ttlMs, onExpiry]), isNew: false, named: checks }
}

/** 16 bytes in base64url. */
function digest(values: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(values)).digest().subarray(0, 16).toString('base64url')
}
