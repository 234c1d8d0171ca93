import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { checkBucket } from '../../src/domain/bucket.ts'
import type { Bucket } from '../../src/domain/stored-bucket.ts'
import { answerOf } from '../support/answer-of.ts'
import { type History, history, play } from '../support/bucket-histories.ts'
import { counterexamples } from '../support/counterexamples.ts'
import { PROPERTY_TIMEOUT_MS, runs } from '../support/property-runs.ts'

describe('the token bucket', () => {
  it(
    'answers what the oracle expects, for any changes of policies and clock',
    () => {
      fc.assert(fc.property(history, answersAsPromised), { ...runs(500, 60_000), examples: counterexamples })
    },
    PROPERTY_TIMEOUT_MS,
  )
})

function answersAsPromised(told: History): void {
  const buckets = new Map<string, Bucket | undefined>()
  for (const { nowMs, checks } of play(told)) {
    for (const check of checks) {
      const { reading, bucket } = checkBucket(buckets.get(check.key), check.policy.limits, check.tokens, nowMs)
      buckets.set(check.key, bucket)
      expect(answerOf(check, reading)).toEqual(check.expected)
    }
  }
}
