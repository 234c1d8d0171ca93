/** Decodes the reply of `lua/check-groups.lua`. */
import type { BucketCheck, CheckGroup, GroupReading, HoldRequest } from '../../check/ports.ts'
import type { BucketReading } from '../../domain/reading.ts'
import { ReplyReader, type ReplyReport } from './check-reply.ts'

const DENIED = 0
const RESERVED = 2
const TOO_MANY = 3
const ID_REUSED = 4
const RESERVED_BEFORE = 5
const RESERVED_ALONE = 6

/** One for each group; `undefined` for one that was not decided: nothing was spent or held. */
export function groupReadingsIn(
  reply: Buffer,
  groups: readonly CheckGroup[],
  report: ReplyReport,
): readonly (GroupReading | undefined)[] {
  const reader = new ReplyReader(reply)
  const answers = groups.map(group => {
    const answer = { code: reader.number(), value: reader.number() }
    for (const { key, policy } of group.checks) reader.read(key, policy)
    return answer
  })
  const readings = reader.end(report)
  let next = 0
  return answers.map((answer, i) => {
    const group = groups[i] as CheckGroup
    const ofGroup = readings.slice(next, next + group.checks.length)
    next += group.checks.length
    return ofGroup.includes(undefined) ? undefined : groupReading(answer, ofGroup as readonly BucketReading[], group)
  })
}

interface Answer {
  readonly code: number
  readonly value: number
}

function groupReading({ code, value }: Answer, readings: readonly BucketReading[], group: CheckGroup): GroupReading {
  const allowed = code !== DENIED
  switch (code) {
    case RESERVED:
      return { allowed, readings, reservation: { expiresAtMs: value } }
    case RESERVED_ALONE:
      return {
        allowed,
        readings: readings.map(reading => heldAlone(reading, group)),
        reservation: { expiresAtMs: value },
      }
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

/** Nothing is held of the group's only key but what it has just reserved. */
function heldAlone(reading: BucketReading, { checks: [check], hold }: CheckGroup): BucketReading {
  const { ttlMs } = hold as HoldRequest
  const { tokens } = check as BucketCheck
  return { ...reading, held: { tokens, count: 1, nextExpiryMs: ttlMs, lastExpiryMs: ttlMs } }
}
