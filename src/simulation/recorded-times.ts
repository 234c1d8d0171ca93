import { normalizedTime } from '../domain/expiry.ts'

/** The last moment that a bucket can record: the end of the year 9999. */
const MAX_TIME_MS = 253_402_300_799_999

/** The part of an RFC 3339 time up to its seconds. */
const TO_SECONDS = '2026-01-31T14:03:00'.length
/** A fraction in whole milliseconds, and UTC: how most programs write times. */
const MS_IN_UTC = /^\.(\d{3})Z$/

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
    const fraction = MS_IN_UTC.exec(text.slice(TO_SECONDS))
    if (fraction === null) return timeOf(text)
    const second = text.slice(0, TO_SECONDS)
    if (second !== this.#second) {
      const secondMs = timeOf(`${second}Z`)
      if (secondMs === undefined) return undefined
      this.#second = second
      this.#secondMs = secondMs
    }
    return this.#secondMs + Number(fraction[1])
  }
}

function timeOf(text: string): number | undefined {
  const normalized = normalizedTime(text)
  if (normalized === undefined) return undefined
  const atMs = Date.parse(normalized)
  return atMs >= 0 && atMs <= MAX_TIME_MS ? atMs : undefined
}
