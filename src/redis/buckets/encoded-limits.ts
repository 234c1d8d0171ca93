import { isWithin, type Period } from '../../domain/limits/calendar.ts'
import type { CompiledLimit } from '../../domain/limits/limit.ts'
import type { CompiledQuota } from '../../domain/limits/quota.ts'
import { comesWithCall, type Policy } from '../../domain/policy.ts'

type Limits = Policy['limits']

interface Encoding {
  readonly text: string
  /** While it holds: until a calendar period ends by this process's clock. Absent if it always does. */
  readonly during: Period | undefined
}

const encodings = new WeakMap<Limits, Encoding>()

/**
 * The limits of a policy as `lua/check.lua` reads them. Nothing is kept for limits that came with a call, since there may be as many as checks;
 * unless they follow the calendar, which takes longer.
 */
export function encodedLimits(policy: Policy): string {
  const { limits } = policy
  if (comesWithCall(policy) && !limits.some(hasCalendar)) return limitsText(limits, Date.now())
  return keptEncoding(limits)
}

function keptEncoding(limits: Limits): string {
  const known = encodings.get(limits)
  if (known !== undefined && (known.during === undefined || isWithin(known.during, Date.now()))) return known.text
  const encoding = encode(limits, Date.now())
  encodings.set(limits, encoding)
  return encoding.text
}

/** Computes the present period of each quota of a policy, unless it is known. */
export function prepareLimits({ limits }: Policy): void {
  if (limits.some(hasCalendar)) keptEncoding(limits)
}

function encode(limits: Limits, nowMs: number): Encoding {
  const during = limits.flatMap(limit => (hasCalendar(limit) ? [limit.periodAt(nowMs)] : []))
  return {
    text: limitsText(limits, nowMs),
    during: during.length === 0 ? undefined : overlapOf(during),
  }
}

function limitsText(limits: Limits, nowMs: number): string {
  return `[${limits.map(limit => encodedLimit(limit, nowMs)).join()}]`
}

function encodedLimit(limit: CompiledLimit, nowMs: number): string {
  const { id, unitsPerToken, capacityUnits, capacity, isShadow } = limit
  const unitsPerMs = limit.kind === undefined ? limit.unitsPerMs : 0
  const numbers = [id, unitsPerToken, unitsPerMs, capacityUnits, capacity].join()
  const other = `${isShadow ? 's' : ''}${encodedKind(limit, nowMs)}`
  return other === '' ? `[${numbers}]` : `[${numbers},"${other}"]`
}

function encodedKind(limit: CompiledLimit, nowMs: number): string {
  if (limit.kind === 'quota') return encodedPeriods(limit, nowMs)
  return limit.kind === 'concurrency' ? 'c' : ''
}

/** See `lua/quota.lua`: the store's clock decides in which period a check falls. */
function encodedPeriods(limit: CompiledQuota, nowMs: number): string {
  const { fixedLengthMs } = limit
  if (fixedLengthMs !== undefined) return `q${fixedLengthMs}`
  const { startMs, endMs } = limit.periodAt(nowMs)
  return `q${[startMs, endMs, ...limit.calendar.boundariesAround(nowMs)].join()}`
}

function hasCalendar(limit: CompiledLimit): limit is CompiledQuota {
  return limit.kind === 'quota' && limit.fixedLengthMs === undefined
}

function overlapOf(periods: readonly Period[]): Period {
  return {
    startMs: Math.max(...periods.map(({ startMs }) => startMs)),
    endMs: Math.min(...periods.map(({ endMs }) => endMs)),
  }
}
