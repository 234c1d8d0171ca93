/** The problems of calls on reservations. */
import { ceilDiv } from '../domain/exact.ts'
import { MAX_HOLDS } from '../domain/holds.ts'
import type { EndedStatus } from '../domain/reservation.ts'
import { cut } from '../lib/cut.ts'
import { Problem, validationProblem } from '../lib/errors.ts'
import type { Refusal } from './group-checker.ts'
import type { ReservationRequest } from './requested-hold.ts'

/** A longer id is not repeated in full. */
const MAX_SHOWN_CHARACTERS = 100

export function reservationNotFound(id: string): Problem {
  const detail = `there is no reservation "${cut(id, MAX_SHOWN_CHARACTERS)}", or it ended more than ten minutes ago`
  return new Problem('reservation-not-found', detail)
}

const ENDINGS = { settled: 'was settled already', released: 'was released already', expired: 'has expired' }

export function reservationEnded(id: string, ending: EndedStatus | 'expired'): Problem {
  return new Problem('reservation-ended', `the reservation "${id}" ${ENDINGS[ending]}`, { members: { ended: ending } })
}

export function keysDiffer(keys: readonly string[]): Problem {
  const message = `must name each key of the reservation once, and no other: ${keys.map(key => JSON.stringify(key)).join(', ')}`
  return validationProblem([{ path: '/checks', message }])
}

export function refusalProblem(refusal: Refusal, { idempotencyKey }: ReservationRequest): Problem {
  if (refusal.reason === 'idempotency-key-reused') {
    const detail = `the Idempotency-Key "${idempotencyKey}" belongs to a reservation with another body; use a new key for a new request`
    return new Problem('idempotency-key-reused', detail)
  }
  const { check, retryAfterMs } = refusal
  const detail = `the key "${check.key}" has ${MAX_HOLDS} reservations, as many as a key can have; the next one expires in ${retryAfterMs} ms`
  return new Problem('too-many-reservations', detail, {
    members: { key: check.key, retryAfterMs },
    headers: { 'retry-after': String(ceilDiv(retryAfterMs, 1000)) },
  })
}
