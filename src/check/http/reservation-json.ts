import type { Reservation } from '../../domain/reservation.ts'
import type { SettledKey } from '../ports.ts'
import type { Reserved, Settled } from '../reservations.ts'
import { decisionMembers, groupMembers } from './decision-json.ts'

/** @param withResults whether the request had several checks */
export function createdJson({ decision, held }: Reserved, withResults: boolean): string {
  const members = withResults ? groupMembers(decision) : decisionMembers(decision.binding)
  if (held === undefined) return `{"id":null,"expiresAt":null,${members}}`
  return `{"id":"${held.id}","expiresAt":"${timeOf(held.expiresAtMs)}",${members}}`
}

export function settledJson({ id, keys, decision }: Settled): string {
  const members = keys.length > 1 ? groupMembers(decision) : decisionMembers(decision.binding)
  return `{"id":"${id}","status":"settled","checks":[${keys.map(settledKeyJson).join()}],${members}}`
}

function settledKeyJson({ key, tokens, charged }: SettledKey): string {
  return `{"key":${JSON.stringify(key)},"tokens":${tokens},"charged":${charged}}`
}

export function reservationBody({ id, status, keys, expiresAtMs }: Reservation) {
  const checks = keys.map(({ key, tokens, charged }) => ({ key, tokens, charged }))
  return { id, status, checks, expiresAt: timeOf(expiresAtMs) }
}

/** The last time that was formatted: reservations of one call of the store often expire at the same time. */
let lastTime = { ms: 0, text: new Date(0).toISOString() }

/** RFC 3339. @param ms since 1970 */
export function timeOf(ms: number): string {
  if (ms !== lastTime.ms) lastTime = { ms, text: new Date(ms).toISOString() }
  return lastTime.text
}
