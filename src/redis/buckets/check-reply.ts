/** Decodes the reply of `lua/check.lua` to a batch of checks. */
import type { BucketCheck } from '../../check/ports.ts'
import type { BucketReading } from '../../domain/reading.ts'

/** One for each check; `undefined` where the store was unavailable for it, or does not hold its bucket. */
export type Readings = readonly (BucketReading | undefined)[]

/** Called with the key of a malformed bucket, which counts as full. */
export type OnMalformedBucket = (key: string) => void

const BYTES_PER_NUMBER = 8

/** Mark a check whose bucket was malformed, and one whose slot is at another master or moves there. */
const MALFORMED = -1
const ELSEWHERE = -2

/** The reading of each check. It is `undefined` for a bucket that is elsewhere: nothing was spent from it. */
export function readingsIn(reply: Buffer, checks: readonly BucketCheck[], onMalformed: OnMalformedBucket): Readings {
  const numbers = new DataView(reply.buffer, reply.byteOffset, reply.byteLength)
  const readings: (BucketReading | undefined)[] = new Array(checks.length)
  let at = 0
  for (let i = 0; i < checks.length; i++) {
    const { limits } = (checks[i] as BucketCheck).policy
    readings[i] = readingAt(numbers, at, limits.length)
    at += limits.length * BYTES_PER_NUMBER
  }
  for (; at < reply.length; at += 2 * BYTES_PER_NUMBER) {
    const index = numbers.getFloat64(at) - 1
    const note = numbers.getFloat64(at + BYTES_PER_NUMBER)
    if (note === ELSEWHERE) readings[index] = undefined
    else if (note === MALFORMED) onMalformed((checks[index] as BucketCheck).key)
    else readings[index] = { ...(readings[index] as BucketReading), refillPausedMs: note }
  }
  return readings
}

/** A denied check is encoded as −1 − units, which is negative even if nothing is spent. */
function readingAt(numbers: DataView, at: number, limits: number): BucketReading {
  const allowed = numbers.getFloat64(at) >= 0
  const spent: number[] = new Array(limits)
  for (let i = 0; i < limits; i++) {
    const units = numbers.getFloat64(at + i * BYTES_PER_NUMBER)
    spent[i] = allowed ? units : -1 - units
  }
  return { allowed, spent, refillPausedMs: 0 }
}
