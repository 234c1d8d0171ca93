import type { Reservation } from '../../domain/reservation.ts'
import type { Reserved, Settled } from '../reservations.ts'
import { decisionMembers, groupMembers } from './decision-json.ts'

/** @param withResults whether the request had several checks */
export function createdJson({ decision, held }: Reserved, withResults: boolean): string {
  const members = withResults ? groupMembers(decision) : decisionMembers(decision.binding)
  if (held === undefined) return `{"id":null,"expiresAt":null,${members}}`
  return `{"id":"${held.id}","expiresAt":"${timeOf(held.expiresAtMs)}",${members}}`
}

export function settledJson({ id, keys, decision }: Settled): string {
  const checks = keys.map(({ key, tokens, charged }) => ({ key, tokens, charged }))
  const members = keys.length > 1 ? groupMembers(decision) : decisionMembers(decision.binding)
  return `{"id":"${id}","status":"settled","checks":${JSON.stringify(checks)},${members}}`
}

export function reservationBody({ id, status, keys, expiresAtMs }: Reservation) {
  const checks = keys.map(({ key, tokens, charged }) => ({ key, tokens, charged }))
  return { id, status, checks, expiresAt: timeOf(expiresAtMs) }
}

/** RFC 3339. @param ms since 1970 */
export function timeOf(ms: number): string {
  return new Date(ms).toISOString()
}
