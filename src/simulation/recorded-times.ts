import { normalizedTime } from '../domain/expiry.ts'

/** The last moment that a bucket can record: the end of the year 9999. */
const MAX_TIME_MS = 253_402_300_799_999

/** A fraction in whole milliseconds, and UTC: how most programs write times. */
const IN_MS = '2026-01-31T14:03:00.120Z'.length
const TO_SECONDS = '2026-01-31T14:03:00'.length
const ZERO = '0'.charCodeAt(0)

/** Reads the times of a file. Neighbouring lines often have the same second, which is read once. */
export class RecordedTimes {
  #second = ''
  #secondMs = 0

  /** In whole ms since 1970, rounded down; `undefined` if the value is neither an RFC 3339 time nor such a number. */
  parse(value: unknown): number | undefined {
    if (typeof value === 'number') return value >= 0 && value <= MAX_TIME_MS ? Math.floor(value) : undefined
    return typeof value === 'string' ? this.#parseText(value) : undefined
  }

  #parseText(text: string): number | undefined {
    const fraction = fractionOf(text)
    if (fraction === undefined) return timeOf(text)
    if (this.#second === '' || !text.startsWith(this.#second)) {
      const second = text.slice(0, TO_SECONDS)
      const secondMs = timeOf(`${second}Z`)
      if (secondMs === undefined) return undefined
      this.#second = second
      this.#secondMs = secondMs
    }
    return this.#secondMs + fraction
  }
}

/** The milliseconds of a time in the form that most programs write; `undefined` for other forms. */
function fractionOf(text: string): number | undefined {
  if (text.length !== IN_MS || text[TO_SECONDS] !== '.' || text[IN_MS - 1] !== 'Z') return undefined
  let fraction = 0
  for (let i = TO_SECONDS + 1; i < IN_MS - 1; i++) {
    const digit = text.charCodeAt(i) - ZERO
    if (digit < 0 || digit > 9) return undefined
    fraction = fraction * 10 + digit
  }
  return fraction
}

function timeOf(text: string): number | undefined {
  const normalized = normalizedTime(text)
  if (normalized === undefined) return undefined
  const atMs = Date.parse(normalized)
  return atMs >= 0 && atMs <= MAX_TIME_MS ? atMs : undefined
}
