import { Checker } from '../../src/check/checker.ts'
import { DenialCache } from '../../src/check/denial-cache.ts'
import { LocalBuckets } from '../../src/check/local-buckets.ts'
import { PolicyLookup } from '../../src/check/policy-lookup.ts'
import type { CheckObserver } from '../../src/check/ports.ts'
import { checkBucket } from '../../src/domain/bucket.ts'
import { PolicyTable } from '../../src/domain/policy-table.ts'
import type { Bucket } from '../../src/domain/stored-bucket.ts'
import { policyOf } from './policies.ts'

/** A checker over buckets in memory, with a clock that the test sets. */
export class ClockedChecker extends Checker {
  /** In whole ms. */
  nowMs: number

  constructor(startMs: number) {
    const now = () => this.nowMs
    const buckets = new Map<string, Bucket>()
    super({
      policies: new PolicyLookup(new PolicyTable(policyOf('default')), async () => undefined),
      openQueue: onReading => ({
        waiting: 0,
        enqueue: check => {
          const { reading, bucket } = checkBucket(buckets.get(check.key), check.policy.limits, check.tokens, now())
          if (bucket === undefined) buckets.delete(check.key)
          else buckets.set(check.key, bucket)
          onReading(check, reading, performance.now())
        },
      }),
      // Its clock stands still, so that no denial is ever remembered for as long as it holds.
      denialCache: new DenialCache(() => Number.POSITIVE_INFINITY),
      localBuckets: new LocalBuckets({
        now,
        calendarNow: now,
        outageOf: () => ({ elapsedMs: 0, isRunning: false, refillPausedMs: 0 }),
        processes: () => 1,
      }),
      observer: { decided: () => undefined, undecided: () => undefined } as Partial<CheckObserver> as CheckObserver,
      onStoreFailure: 'local',
      maxWaiting: 1_000,
    })
    this.nowMs = startMs
  }
}
