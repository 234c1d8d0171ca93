import { decideByBucket } from '../../src/domain/decision.ts'
import type { Policy } from '../../src/domain/policy.ts'
import type { BucketReading } from '../../src/domain/reading.ts'
import type { Answer } from './bucket-oracle.ts'

/** The answer that follows from a reading, in the form of the oracle. */
export function answerOf(
  asked: { key: string; policy: Policy; tokens: number; reserves?: true },
  reading: BucketReading,
): Answer {
  const decision = decideByBucket(asked, reading, 'redis')
  return {
    allowed: decision.allowed,
    shadowed: decision.shadowed,
    binding: decision.binding.name,
    limits: decision.states.map(({ limit, allows, remaining, retryAfterMs, resetAfterMs, nextTokenAfterMs }) => ({
      name: limit.name,
      allows,
      remaining,
      retryAfterMs,
      resetAfterMs,
      nextTokenAfterMs,
    })),
  }
}
