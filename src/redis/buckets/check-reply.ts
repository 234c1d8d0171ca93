/** Decodes what the scripts of buckets reply to checks. */
import type { BucketCheck } from '../../check/ports.ts'
import type { CompiledLimit } from '../../domain/limits/limit.ts'
import type { Policy } from '../../domain/policy.ts'
import type { BucketReading, PeriodReading } from '../../domain/reading.ts'

/** One for each check; `undefined` where the store was unavailable for it, or does not hold its bucket. */
export type Readings = readonly (BucketReading | undefined)[]

/** The key of which the reservation held something, or its id, whichever is known. */
export type DamagedReservation = { readonly key: string } | { readonly id: string }

/** Told of what a reply says besides its readings. */
export interface ReplyReport {
  /** @param key of a malformed bucket, which counts as full */
  malformedBucket(key: string): void
  /** A part of a reservation was damaged: its record, which counts as lost, or what it held of the key. */
  damagedReservation(damage: DamagedReservation): void
  /** A call found expired reservations of a key, and settled them. */
  expired(key: string, reservations: number): void
  /** Once for a reply: the store did not know the present period of a quota, because the clocks differ by more than that. */
  clocksDiffered(): void
}

/** For calls whose replies are not reported. */
export const NO_REPORT: ReplyReport = {
  malformedBucket: () => undefined,
  damagedReservation: () => undefined,
  expired: () => undefined,
  clocksDiffered: () => undefined,
}

const BYTES_PER_NUMBER = 8

/** Marks a check whose bucket was malformed. */
const MALFORMED = -1
/** Marks a check whose slot is at another master or moves there. */
const ELSEWHERE = -2
/** Marks a check of a quota whose present period, by the store's clock, this process did not send. */
const UNKNOWN_PERIOD = -3
/** Marks a check of a key with reservations. What they hold follows. */
const HELD = -4
/** Marks a check that found reservations of its key expired. Their number follows. */
const EXPIRED = -5
/** Marks a check that was denied and charged. The tokens that were charged follow. */
const CHARGED = -6
/** Marks a check of a key of which a reservation was damaged. */
const DAMAGED_RESERVATION = -7

/** The reading of each check. It is `undefined` for one that was not decided: nothing was spent. */
export function readingsIn(reply: Buffer, checks: readonly BucketCheck[], report: ReplyReport): Readings {
  const reader = new ReplyReader(reply)
  for (const { key, policy } of checks) reader.read(key, policy)
  return reader.end(report)
}

/** Reads a reply from its beginning: numbers of other meanings, and what checks found, in the order in which they were written. */
export class ReplyReader {
  readonly #reply: Buffer
  readonly #numbers: DataView
  readonly #keys: string[] = []
  readonly #readings: (BucketReading | undefined)[] = []
  #at = 0

  constructor(reply: Buffer) {
    this.#reply = reply
    this.#numbers = new DataView(reply.buffer, reply.byteOffset, reply.byteLength)
  }

  number(): number {
    const number = this.#numbers.getFloat64(this.#at)
    this.#at += BYTES_PER_NUMBER
    return number
  }

  /** Reads what a check of this key found. */
  read(key: string, { limits }: Policy): void {
    this.#keys.push(key)
    this.#readings.push(readingAt(this.#numbers, this.#at, limits))
    this.#at += numbersOf(limits) * BYTES_PER_NUMBER
  }

  /** Reads the notes. Returns what the checks found, in order. */
  end(report: ReplyReport): Readings {
    const noted = { readings: this.#readings, keys: this.#keys, report }
    if (this.#at < this.#reply.length) readNotes(this.#numbers, this.#at, noted)
    return this.#readings
  }
}

interface Noted {
  readonly readings: (BucketReading | undefined)[]
  readonly keys: readonly string[]
  readonly report: ReplyReport
}

function readNotes(numbers: DataView, from: number, { readings, keys, report }: Noted): void {
  let haveClocksDiffered = false
  for (let at = from; at < numbers.byteLength; at += 2 * BYTES_PER_NUMBER) {
    const index = numbers.getFloat64(at) - 1
    const note = numbers.getFloat64(at + BYTES_PER_NUMBER)
    haveClocksDiffered ||= note === UNKNOWN_PERIOD
    if (note === ELSEWHERE || note === UNKNOWN_PERIOD) readings[index] = undefined
    else if (note === MALFORMED) report.malformedBucket(keys[index] as string)
    else if (note === DAMAGED_RESERVATION) report.damagedReservation({ key: keys[index] as string })
    else if (note === HELD) {
      at += 2 * BYTES_PER_NUMBER
      readings[index] = { ...(readings[index] as BucketReading), held: heldAt(numbers, at) }
      at += 2 * BYTES_PER_NUMBER
    } else if (note === EXPIRED) {
      at += 2 * BYTES_PER_NUMBER
      report.expired(keys[index] as string, numbers.getFloat64(at))
    } else if (note === CHARGED) {
      at += 2 * BYTES_PER_NUMBER
      readings[index] = chargedDenial(readings[index] as BucketReading, numbers.getFloat64(at))
    } else readings[index] = { ...(readings[index] as BucketReading), refillPausedMs: note }
  }
  if (haveClocksDiffered) report.clocksDiffered()
}

/** Only the limits that denied it are encoded as such. */
function chargedDenial(reading: BucketReading, charged: number): BucketReading {
  return { ...reading, allowed: false, charged, violated: reading.violated ?? reading.spent.map(() => true) }
}

function heldAt(numbers: DataView, at: number) {
  const number = (index: number) => numbers.getFloat64(at + index * BYTES_PER_NUMBER)
  return { tokens: number(0), count: number(1), nextExpiryMs: number(2), lastExpiryMs: number(3) }
}

/** A quota is followed by its period. */
function numbersOf(limits: readonly CompiledLimit[]): number {
  let numbers = limits.length
  for (const { kind } of limits) if (kind === 'quota') numbers += 2
  return numbers
}

/**
 * A limit that spent nothing because it, or the check, was denied is encoded as −1 − units, which is negative even if nothing is spent.
 * In an allowed check, such a limit is a shadow limit.
 */
function readingAt(numbers: DataView, from: number, limits: readonly CompiledLimit[]): BucketReading {
  const spent: number[] = new Array(limits.length)
  let denied = 0
  let periods: (PeriodReading | undefined)[] | undefined
  let at = from
  for (let i = 0; i < limits.length; i++, at += BYTES_PER_NUMBER) {
    const units = numbers.getFloat64(at)
    spent[i] = units >= 0 ? units : -1 - units
    if (units < 0) denied++
    if (limits[i]?.kind !== 'quota') continue
    periods ??= new Array(limits.length).fill(undefined)
    periods[i] = periodAt(numbers, at + BYTES_PER_NUMBER)
    at += 2 * BYTES_PER_NUMBER
  }
  const allowed = denied < limits.length
  const reading =
    periods === undefined ? { allowed, spent, refillPausedMs: 0 } : { allowed, spent, periods, refillPausedMs: 0 }
  return allowed && denied > 0 ? { ...reading, violated: violatedAt(numbers, from, limits) } : reading
}

function violatedAt(numbers: DataView, from: number, limits: readonly CompiledLimit[]): readonly boolean[] {
  let at = from
  return limits.map(limit => {
    const violated = numbers.getFloat64(at) < 0
    at += numbersOf([limit]) * BYTES_PER_NUMBER
    return violated
  })
}

function periodAt(numbers: DataView, at: number): PeriodReading {
  return { endsInMs: numbers.getFloat64(at), lengthMs: numbers.getFloat64(at + BYTES_PER_NUMBER) }
}
