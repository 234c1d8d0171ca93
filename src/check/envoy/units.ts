import type { CompiledLimit, Limit } from '../../domain/limits/limit.ts'
import type { PeriodName } from '../../domain/limits/quota.ts'

/** Units of a limit, with their numbers. @see envoy/service/ratelimit/v3/rls.proto, `RateLimitResponse.RateLimit.Unit` */
export const UNITS = { UNKNOWN: 0, SECOND: 1, MINUTE: 2, HOUR: 3, DAY: 4, MONTH: 5, YEAR: 6, WEEK: 7 } as const
export type Unit = keyof typeof UNITS

/** The units that a limit in a request can have. */
export type OverrideUnit = Exclude<Unit, 'UNKNOWN'>
export const OVERRIDE_UNITS = (Object.keys(UNITS) as Unit[]).filter(unit => unit !== 'UNKNOWN')

const UNIT_OF_PERIOD: Readonly<Record<PeriodName, OverrideUnit>> = {
  minute: 'MINUTE',
  hour: 'HOUR',
  day: 'DAY',
  week: 'WEEK',
  month: 'MONTH',
  year: 'YEAR',
}
const PERIOD_OF_UNIT = Object.fromEntries(Object.entries(UNIT_OF_PERIOD).map(([period, unit]) => [unit, period]))

/** Months and years have no fixed length. */
const UNIT_OF_MS: Readonly<Record<number, Unit>> = {
  1000: 'SECOND',
  60000: 'MINUTE',
  3600000: 'HOUR',
  86400000: 'DAY',
  604800000: 'WEEK',
}

/** A limit of `capacity` requests in each unit: a token bucket for a second, otherwise a quota in UTC. */
export function limitPer(unit: OverrideUnit, capacity: number): Limit {
  const name = 'default'
  if (unit === 'SECOND') return { name, capacity, refillTokens: capacity, refillIntervalMs: 1_000 }
  return { kind: 'quota', name, capacity, period: PERIOD_OF_UNIT[unit] as PeriodName }
}

/** The period of a quota, or the unit that is as long as a token bucket takes from empty to full. */
export function unitOf(limit: CompiledLimit): Unit {
  if (limit.kind === 'quota') return UNIT_OF_PERIOD[limit.definition.period]
  return UNIT_OF_MS[limit.fullAfterMs(limit.capacityUnits)] ?? 'UNKNOWN'
}
