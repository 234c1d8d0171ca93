/** The times at which temporary policies end. */

const DAY_MS = 86_400_000
/** The furthest end of a new temporary policy. */
export const MAX_DAYS_TO_EXPIRY = 366

/** @see https://www.rfc-editor.org/rfc/rfc3339#section-5.6 */
const RFC_3339 = /^\d{4}-(\d\d)-(\d\d)T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$/

/** An RFC 3339 time in UTC, to the millisecond, as it is stored; `undefined` if the text is not such a time. */
export function normalizedTime(text: string): string | undefined {
  const upper = text.toUpperCase()
  const [, month, day] = RFC_3339.exec(upper) ?? []
  if (month === undefined || day === undefined) return undefined
  const date = new Date(`${upper.slice(0, 10)}T00:00:00Z`)
  // JavaScript reads 30 February as 2 March.
  const exists = date.getUTCMonth() + 1 === Number(month) && date.getUTCDate() === Number(day)
  return exists ? new Date(upper).toISOString() : undefined
}

/** Whether a stored value is a time as `normalizedTime` writes it. */
export function isNormalizedTime(value: unknown): value is string {
  return typeof value === 'string' && normalizedTime(value) === value
}

/** What is wrong with the end of a temporary policy that is about to be stored; `undefined` if it is allowed. */
export function expiryFault(expiresAt: string, nowMs: number): string | undefined {
  return passedFault(expiresAt, nowMs) ?? tooFarFault(expiresAt, nowMs)
}

/** Such a policy would have ended before it is in force. */
export function passedFault(expiresAt: string, nowMs: number): string | undefined {
  if (Date.parse(expiresAt) > nowMs) return undefined
  return `must be in the future; was ${expiresAt}, and it is ${new Date(nowMs).toISOString()}`
}

export function tooFarFault(expiresAt: string, nowMs: number): string | undefined {
  const latestMs = nowMs + MAX_DAYS_TO_EXPIRY * DAY_MS
  if (Date.parse(expiresAt) <= latestMs) return undefined
  const latest = new Date(latestMs).toISOString()
  return `must be at most ${MAX_DAYS_TO_EXPIRY} days away, up to ${latest}; was ${expiresAt}`
}
