import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { type ExpectedCall, playReservations, reservationHistory } from '../support/reservation-histories.ts'

const HISTORIES = 300
/** The smallest share of histories in which each case must occur. */
const FEWEST = 0.02

type Played = readonly ExpectedCall[]

const cases: Record<string, (played: Played) => boolean> = {
  'a reservation of several keys': played => reservations(played).some(({ call }) => call.group.checks.length > 1),
  'a reservation that a concurrency limit denies': played =>
    groups(played).some(
      ({ call, expected }) =>
        call.group.hold !== undefined &&
        deniedNames(expected).some(name =>
          call.group.checks.some(({ policy }) =>
            policy.definition.limits.some(limit => limit.name === name && limit.kind === 'concurrency'),
          ),
        ),
    ),
  'a repeated reservation': played => repeats(played),
  'a settlement': played => settlements(played).some(({ expected }) => statusOf(expected) === 'settled'),
  'a settlement of more than was reserved': played => settled(played).some(({ tokens, reserved }) => tokens > reserved),
  'a settlement of less than was reserved': played => settled(played).some(({ tokens, reserved }) => tokens < reserved),
  'a settlement of which not all was charged': played =>
    settled(played).some(({ tokens, charged }) => charged < tokens),
  'a settlement after the deadline': played => settled(played).some(({ lateMs }) => lateMs > 0),
  'a settlement in the millisecond of the deadline': played => settled(played).some(({ lateMs }) => lateMs === 0),
  'a settlement that came twice': played =>
    settlements(played).filter(isSettled).length >
    new Set(
      settlements(played)
        .filter(isSettled)
        .map(({ call }) => call.settlement.id),
    ).size,
  'a release': played => settlements(played).some(({ expected }) => statusOf(expected) === 'released'),
  'a settlement with other amounts than before': played =>
    settlements(played).some(({ expected }) => statusOf(expected) === 'ended'),
  'an extension': played =>
    played.some(({ call, expected }) => call.what === 'extend' && statusOf(expected) === 'extended'),
  'a check of a key with a reservation that is denied and charged': played =>
    played.some(({ call, expected }, i) => isOverdrawn(call, expected) && isHeldBefore(played, i, call.check.key)),
  'tokens of a key with a reservation that are given back': played =>
    played.some(
      ({ call }, i) => call.what === 'check' && call.check.tokens < 0 && isHeldBefore(played, i, call.check.key),
    ),
  'a reset of a key with a reservation': played =>
    played.some(({ call, expected }) => call.what === 'read' && statusOf(expected) === 'released') ||
    played.some(({ call }, i) => call.what === 'reset' && isHeldBefore(played, i, call.key)),
  'a late settlement of what a reset had forgotten before the deadline': played =>
    settled(played).some(({ lateMs, isReset }) => lateMs >= 0 && isReset),
  'an expiry that charges only a part of what was reserved': played =>
    expired(played).some(({ charged, tokens }) => 0 < charged && charged < tokens),
  'a late settlement of which only a part was charged': played =>
    settled(played).some(({ lateMs, tokens, charged }) => lateMs >= 0 && 0 < charged && charged < tokens),
  'an expired reservation by concurrency limits only': played =>
    expired(played).some(
      ({ kinds, tokens }) => tokens > 0 && kinds.length > 0 && kinds.every(kind => kind === 'concurrency'),
    ),
  'a clock that goes back': played => played.some(({ call }, i) => call.nowMs < (played[i - 1]?.call.nowMs ?? 0)),
}

type CheckCall = Extract<ExpectedCall['call'], { readonly what: 'check' }>

function isOverdrawn(call: ExpectedCall['call'], expected: ExpectedCall['expected']): call is CheckCall {
  if (call.what !== 'check' || expected === undefined || !('allowed' in expected)) return false
  return call.check.policy.definition.overdraft === true && call.check.tokens > 0 && !expected.allowed
}

function groups(played: Played) {
  return played.flatMap(({ call, expected }) => (call.what === 'group' ? [{ call, expected }] : []))
}

function reservations(played: Played) {
  return groups(played).flatMap(({ call, expected }) =>
    call.group.hold !== undefined && isReserved(expected) ? [{ call, hold: call.group.hold, ...expected }] : [],
  )
}

function settlements(played: Played) {
  return played.flatMap(({ call, expected }) => (call.what === 'settle' ? [{ call, expected }] : []))
}

function isSettled({ expected }: { readonly expected: unknown }): boolean {
  return statusOf(expected) === 'settled'
}

/** Each key of each settlement, with what was reserved and how late it was. */
function settled(played: Played) {
  return settlements(played).flatMap(({ call, expected }) => {
    const reservation = reservations(played).find(({ hold }) => hold.id === call.settlement.id)
    const { status, keys } = Object(expected) as {
      status?: string
      keys?: { key: string; tokens: number; charged: number }[]
    }
    if (status !== 'settled' || reservation === undefined) return []
    return (keys ?? []).map(({ key, tokens, charged }) => ({
      tokens,
      charged,
      reserved: reservation.hold.named.find(named => named.key === key)?.tokens ?? 0,
      lateMs: call.nowMs - reservation.expiresAtMs,
      isReset: played.some(
        ({ call: { nowMs, ...other } }) =>
          other.what === 'reset' &&
          other.key === key &&
          nowMs > reservation.call.nowMs &&
          nowMs < reservation.expiresAtMs,
      ),
    }))
  })
}

/** Each key of each reservation that was found expired, with the kinds of its limits. */
function expired(played: Played) {
  return played.flatMap(({ call, expected }) => {
    const reservation = call.what === 'read' && reservations(played).find(({ hold }) => hold.id === call.id)
    if (!reservation || statusOf(expected) !== 'expired') return []
    const { checks } = reservation.call.group
    return (Object(expected).keys as { key: string; tokens: number; charged: number }[]).map(read => ({
      ...read,
      kinds: checks.find(({ key }) => key === read.key)?.policy.definition.limits.map(({ kind }) => kind) ?? [],
    }))
  })
}

function repeats(played: Played): boolean {
  const ids = reservations(played).map(({ hold }) => hold.id)
  return ids.length > new Set(ids).size
}

function isHeldBefore(played: Played, index: number, key: string): boolean {
  const nowMs = played[index]?.call.nowMs ?? 0
  return reservations(played.slice(0, index)).some(
    ({ hold, expiresAtMs }) => expiresAtMs > nowMs && hold.named.some(named => named.key === key),
  )
}

function isReserved(outcome: unknown): outcome is { readonly expiresAtMs: number } {
  return typeof Object(outcome).expiresAtMs === 'number'
}

function statusOf(outcome: unknown): unknown {
  return Object(outcome).status
}

function deniedNames(outcome: unknown): readonly string[] {
  const answers = (Object(outcome).answers ?? []) as { allowed: boolean; limits: { name: string; allows: boolean }[] }[]
  return answers
    .filter(({ allowed }) => !allowed)
    .flatMap(({ limits }) => limits.filter(({ allows }) => !allows).map(({ name }) => name))
}

describe('the random histories of reservations', () => {
  const played = fc.sample(reservationHistory, { numRuns: HISTORIES, seed: 1 }).map(playReservations)

  it.each(Object.entries(cases))('often have %s', (_, happens) => {
    expect(played.filter(happens).length / HISTORIES).toBeGreaterThan(FEWEST)
  })
})
