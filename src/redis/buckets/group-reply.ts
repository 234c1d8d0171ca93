/** Decodes the reply of `lua/check-groups.lua`. */
import type { CheckGroup, GroupReading } from '../../check/ports.ts'
import type { BucketReading } from '../../domain/reading.ts'
import { BYTES_PER_NUMBER, numbersIn, type ReplyReport, readingsIn } from './check-reply.ts'

const DENIED = 0
const RESERVED = 2
const TOO_MANY = 3
const ID_REUSED = 4
const RESERVED_BEFORE = 5

/** One for each group; `undefined` for one that was not decided: nothing was spent or held. */
export function groupReadingsIn(
  reply: Buffer,
  groups: readonly CheckGroup[],
  report: ReplyReport,
): readonly (GroupReading | undefined)[] {
  const numbers = numbersIn(reply)
  const checks = groups.flatMap(group => group.checks)
  const readings = readingsIn(reply, checks, report, 2 * groups.length * BYTES_PER_NUMBER)
  let first = 0
  return groups.map((group, i) => {
    const at = 2 * i * BYTES_PER_NUMBER
    const ofGroup = readings.slice(first, first + group.checks.length)
    first += group.checks.length
    if (ofGroup.includes(undefined)) return undefined
    return groupReading(
      numbers.getFloat64(at),
      numbers.getFloat64(at + BYTES_PER_NUMBER),
      ofGroup as readonly BucketReading[],
    )
  })
}

function groupReading(code: number, value: number, readings: readonly BucketReading[]): GroupReading {
  const allowed = code !== DENIED
  switch (code) {
    case RESERVED:
      return { allowed, readings, reservation: { expiresAtMs: value } }
    case RESERVED_BEFORE:
      return { allowed, readings, reservation: { expiresAtMs: value, isRepeated: true } }
    case TOO_MANY: {
      const index = value - 1
      const retryAfterMs = readings[index]?.held?.nextExpiryMs ?? 0
      return { allowed, readings, refusal: { reason: 'too-many-reservations', index, retryAfterMs } }
    }
    case ID_REUSED:
      return { allowed, readings, refusal: { reason: 'idempotency-key-reused' } }
    default:
      return { allowed, readings }
  }
}
