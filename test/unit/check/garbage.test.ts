import { expect, it } from '@jest/globals'
import { LocalBuckets } from '../../../src/check/local-buckets.ts'
import { garbageOf } from '../../support/garbage.ts'
import { limitOf, policyOf } from '../../support/policies.ts'

const CHECKS = 16_000

/** A new type for each check has several hundred. */
const MAX_BYTES_PER_CHECK = 100

it('leaves nothing of a check by a local bucket in memory until the old generation is collected', async () => {
  const clock = { elapsedMs: 0, isRunning: false, refillPausedMs: 0 }
  const buckets = new LocalBuckets({
    now: () => clock.elapsedMs,
    outageOf: () => clock,
    calendarNow: () => 0,
    processes: () => 1,
  })
  const policy = policyOf('*', { limits: [limitOf({ capacity: CHECKS, refillTokens: 1, refillIntervalMs: 1_000 })] })
  const bytes = await garbageOf(CHECKS, count => {
    for (let i = 0; i < count; i++) {
      clock.elapsedMs++
      buckets.check({ key: 'a', policy, tokens: 1 })
    }
  })
  expect(bytes).toBeLessThan(MAX_BYTES_PER_CHECK)
})
