/** The time zones that a quota may name. They and their changes are those of Node.js, so all processes need the same release of it. */
import { Temporal } from 'temporal-polyfill'

const DAY_MS = 86_400_000

/** Offsets are read once in three days, and near a change once a day. */
const READ_EVERY_MS = [3 * DAY_MS, DAY_MS]

/** Those of more than three years. */
const MAX_OFFSETS = 512

/** A time zone, which remembers its offsets. Local times are numbers of ms, as if they were in UTC. */
export class TimeZone {
  readonly #name: string
  /** In ms, by the time at which they were read. */
  readonly #offsets = new Map<number, number>()

  /** @throws {RangeError} if the library for time zones does not know the name */
  constructor(name: string) {
    this.#name = name
    this.#offsetAt(0)
  }

  /** As a local time, or some hours off near a change of the clock. */
  localNear(atMs: number): number {
    return atMs + this.#offsetAt(startOf(atMs, DAY_MS))
  }

  /**
   * The time in ms since 1970. A local time that occurs twice means the first occurrence; one that is skipped is read with the offset
   * before the change.
   */
  instantOf(localMs: number): number {
    for (const everyMs of READ_EVERY_MS) {
      const offset = this.#offsetAt(startOf(localMs - DAY_MS, everyMs))
      // At most six days later. No zone changes its offset and back within that time.
      if (offset === this.#offsetAt(startOf(localMs + DAY_MS, everyMs) + everyMs)) return localMs - offset
    }
    const local = Temporal.PlainDateTime.from(new Date(localMs).toISOString().slice(0, -1))
    return local.toZonedDateTime(this.#name, { disambiguation: 'compatible' }).epochMilliseconds
  }

  #offsetAt(atMs: number): number {
    const known = this.#offsets.get(atMs)
    if (known !== undefined) return known
    if (this.#offsets.size >= MAX_OFFSETS) this.#offsets.clear()
    const zoned = Temporal.Instant.fromEpochMilliseconds(atMs).toZonedDateTimeISO(this.#name)
    const offset = zoned.offsetNanoseconds / 1_000_000
    this.#offsets.set(atMs, offset)
    return offset
  }
}

function startOf(atMs: number, lengthMs: number): number {
  return Math.floor(atMs / lengthMs) * lengthMs
}

/** By name in lower case, so there are at most as many as zones and their aliases. */
const zones = new Map<string, TimeZone>()

/**
 * The zone of an IANA name. Each is created once.
 * @throws {RangeError} if the name is not one for which `isTimeZone` holds
 */
export function timeZoneOf(name: string): TimeZone {
  const id = name.toLowerCase()
  const zone = zones.get(id) ?? new TimeZone(name)
  zones.set(id, zone)
  return zone
}

/** Offsets such as `+01:00` are not names. */
const NAME = /^[A-Za-z][\w+/-]*$/

/** Whether a value is the IANA name of a time zone. `Intl` also accepts abbreviations such as PST, for which there are no calendars. */
export function isTimeZone(name: unknown): boolean {
  if (typeof name !== 'string' || !NAME.test(name)) return false
  try {
    timeZoneOf(name)
    return true
  } catch {
    return false
  }
}
