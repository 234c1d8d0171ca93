/** The quota, a kind of limit: at most `capacity` tokens in each calendar period, all of which return when the next one begins. */
import { ceilDiv } from '../exact.ts'
import type { MemberFault } from '../member-fault.ts'
import type { BucketReading, HeldReading } from '../reading.ts'
import { CALENDAR_STEPS, Calendar, type CalendarStep, isLocalTime, type Period } from './calendar.ts'
import { DefinedLimit } from './defined-limit.ts'
import type { Demand, LimitArithmetic, Spending } from './limit-arithmetic.ts'
import { memberFault, type Unvalidated } from './limit-fault.ts'
import type { LimitKind } from './limit-kind.ts'
import { chargedToQuota, forgottenAfterMs, RecordedQuota, spentInPeriod } from './recorded-quota.ts'
import { isTimeZone } from './time-zone.ts'
import { CompiledTokenBucket } from './token-bucket.ts'

const HOUR_MS = 3_600_000

/** Minutes and hours are those of UTC, in ms: local ones may last 0 or 2 hours. */
const FIXED_PERIODS = { minute: 60_000, hour: HOUR_MS } as const
type FixedPeriod = keyof typeof FIXED_PERIODS

export const PERIODS = ['minute', 'hour', ...CALENDAR_STEPS] as const
export type PeriodName = (typeof PERIODS)[number]

export const DEFAULT_TIME_ZONE = 'UTC'

export interface QuotaLimit {
  readonly kind: 'quota'
  readonly name: string
  readonly capacity: number
  readonly period: PeriodName
  /** IANA name. Absent for minutes and hours. */
  readonly timeZone?: string
  /** A local date and time, to the minute, at which one period begins. Absent for minutes and hours. */
  readonly anchor?: string
  readonly shadow?: true
}

/** Counts whole tokens: a unit is a token. */
export class CompiledQuota extends DefinedLimit<QuotaLimit> implements LimitArithmetic {
  #calendar: Calendar | undefined

  get kind(): 'quota' {
    return 'quota'
  }

  get maxTokensPerCheck(): number {
    return this.capacity
  }

  get refill(): string {
    return `${this.capacity} again in each ${this.definition.period}`
  }

  /** The length of each period in ms, or `undefined` if it follows the calendar. */
  get fixedLengthMs(): number | undefined {
    const { period } = this.definition
    return isFixed(period) ? FIXED_PERIODS[period] : undefined
  }

  periodAt(atMs: number): Period {
    const lengthMs = this.fixedLengthMs
    if (lengthMs === undefined) return this.calendar.periodAt(atMs)
    const startMs = atMs - (atMs % lengthMs)
    return { startMs, endMs: startMs + lengthMs }
  }

  /** The calendar of a period that is longer than an hour. */
  get calendar(): Calendar {
    this.#calendar ??= calendarOf(this.definition)
    return this.#calendar
  }

  get isSpent(): boolean {
    return true
  }

  demandOf({ tokens }: Demand): number {
    return tokens
  }

  heldUnits(held: HeldReading | undefined): number {
    return held?.tokens ?? 0
  }

  spentAt(spending: Spending, atMs: number): number {
    return spentInPeriod(spending, this.periodAt(atMs))
  }

  fullAfterMs(_spent: number, atMs: number): number {
    return forgottenAfterMs(this.periodAt(atMs), atMs)
  }

  chargedWith(tokens: number, spent: number): number {
    return chargedToQuota(tokens, spent)
  }

  /** What is spent beyond the capacity ends with the period. */
  debtIn(): number {
    return 0
  }

  recordedAt(atMs: number): RecordedQuota {
    const period = this.periodAt(atMs)
    const next = this.periodAt(period.endMs)
    return new RecordedQuota(this.id, period, next.endMs - next.startMs)
  }

  waitFor(_units: number, { periods }: BucketReading, index: number): number {
    return periods?.[index]?.endsInMs ?? 0
  }

  spentLater(reading: BucketReading, index: number, elapsedMs: number): number {
    return elapsedMs >= this.waitFor(0, reading, index) ? 0 : (reading.spent[index] ?? 0)
  }

  /** Refills capacity ÷ processes evenly over the period, and holds at most as much as refills in an hour. */
  shareOf(processes: number, nowMs: number): CompiledTokenBucket {
    const { name, capacity, id } = this
    const { startMs, endMs } = this.periodAt(nowMs)
    const lengthMs = endMs - startMs
    const held = ceilDiv(capacity * Math.min(HOUR_MS, lengthMs), lengthMs * processes)
    const share = { name, capacity: held, ...evenRate(capacity, lengthMs) }
    return new CompiledTokenBucket(share, id, { maxTokensPerCheck: capacity, timeScale: processes })
  }
}

/** Below this number of tokens an hour, a rate in whole tokens an hour would be less exact than one in ms for each token. */
const FEW_TOKENS = 1_000

/** Not more than `tokens` in the time, and less by at most 0.1 %, in numbers that keep the arithmetic of a bucket below 2^53. */
function evenRate(tokens: number, lengthMs: number) {
  const perHour = Math.floor((tokens * HOUR_MS) / lengthMs)
  if (perHour >= FEW_TOKENS) return { refillTokens: perHour, refillIntervalMs: HOUR_MS }
  return { refillTokens: 1, refillIntervalMs: ceilDiv(lengthMs, tokens) }
}

/** Whether the periods are minutes or hours, which have no calendar. */
export function isFixed(period: PeriodName): period is FixedPeriod {
  return Object.hasOwn(FIXED_PERIODS, period)
}

/** Calendars that several quotas share, so that each period is computed once for all of them. */
const sharedCalendars = new Map<string, Calendar>()
const MAX_SHARED_CALENDARS = 1_000

function calendarOf(quota: QuotaLimit): Calendar {
  const text = QUOTA.textOf(quota)
  const shared = sharedCalendars.get(text)
  if (shared !== undefined) return shared
  const calendar = new Calendar(quota.period as CalendarStep, quota.timeZone ?? DEFAULT_TIME_ZONE, quota.anchor)
  if (sharedCalendars.size < MAX_SHARED_CALENDARS) sharedCalendars.set(text, calendar)
  return calendar
}

export const QUOTA: LimitKind<QuotaLimit, CompiledQuota> = {
  members: { kind: true, name: true, capacity: true, period: true, timeZone: true, anchor: true, shadow: true },
  textOf: ({ period, timeZone, anchor }) => [period, timeZone, anchor].join(' '),
  storedFault: limit => periodFault(limit) ?? calendarFaults(limit)[0],
  faults: limit =>
    calendarFaults(limit).map(({ member, found, allowed }) => ({
      path: `/${member}`,
      message: `must be ${allowed}; was ${JSON.stringify(found)}`,
    })),
  compile: (limit, id) => new CompiledQuota(limit, id),
}

function periodFault({ period }: Unvalidated<QuotaLimit>): MemberFault | undefined {
  if (PERIODS.includes(period as PeriodName)) return undefined
  return memberFault('period', period, `one of ${PERIODS.join(', ')}`)
}

function calendarFaults({ period, timeZone, anchor }: Unvalidated<QuotaLimit>): readonly MemberFault[] {
  const faults: MemberFault[] = []
  const rules = isFixed(period as PeriodName) ? ABSENT : CALENDAR_RULES
  for (const [member, found] of Object.entries({ timeZone, anchor })) {
    const { isAllowed, allowed } = rules[member as keyof typeof rules]
    if (found !== undefined && !isAllowed(found)) faults.push(memberFault(member, found, allowed))
  }
  return faults
}

const NEVER = { isAllowed: () => false, allowed: 'absent, since minutes and hours are those of UTC' }
const ABSENT = { timeZone: NEVER, anchor: NEVER }
const CALENDAR_RULES = {
  timeZone: { isAllowed: isTimeZone, allowed: 'the IANA name of a time zone, such as Europe/Berlin' },
  anchor: { isAllowed: isLocalTime, allowed: 'a local date and time to the minute, such as 2026-01-15T09:00' },
}
