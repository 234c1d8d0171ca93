import { previewOf } from '../domain/bucket.ts'
import { type Decision, decideByBucket, decideByMode } from '../domain/decision.ts'
import type { Hold } from '../domain/holds.ts'
import type { OnStoreFailure } from '../domain/policy.ts'
import type { BucketReading } from '../domain/reading.ts'
import { Problem } from '../lib/errors.ts'
import type { DenialCache } from './denial-cache.ts'
import type { LocalBuckets } from './local-buckets.ts'
import type { AskedCheck } from './pending-check.ts'
import { type PolicyLookup, policyUnknown } from './policy-lookup.ts'
import type { BucketCheck, BucketStore } from './ports.ts'
import type { ReservationQueue } from './reservation-queue.ts'
import { decideInOutage, tooManyTokens } from './without-store.ts'

interface LiveBucketsOptions {
  readonly policies: PolicyLookup
  /** The store that holds the key's bucket now. */
  storeOf(key: string): BucketStore
  readonly denialCache: DenialCache
  readonly localBuckets: LocalBuckets
  readonly queue: Pick<ReservationQueue, 'holdsOf'>
  /** For policies that name none. */
  readonly onStoreFailure: OnStoreFailure
}

/** Lets operators look at the bucket of a key, and fill it. */
export class LiveBuckets {
  readonly #options: LiveBucketsOptions

  constructor(options: LiveBucketsOptions) {
    this.#options = options
  }

  /**
   * The decision that a check would get now. Spends nothing, counts nothing, and asks the store even where a denial is remembered.
   * @throws {Problem} `policy-unknown`, `tokens-exceed-capacity`, or `store-unavailable` where the policy denies in an outage
   */
  async preview(asked: AskedCheck): Promise<Decision> {
    const { policies } = this.#options
    await policies.reread([asked])
    const policy = policies.findForBucket(asked)
    if (policy === undefined) throw policyUnknown(asked)
    const check = { key: asked.key, policy, tokens: asked.tokens }
    const result = tooManyTokens(check) ?? decideByMode(check) ?? (await this.#previewByBucket(check))
    if (result instanceof Problem) throw result
    return result
  }

  /** What reservations hold of a key: the first by expiry, at most 100. None if the store is unavailable. */
  async holdsOf(key: string): Promise<readonly Hold[]> {
    return (await this.#options.queue.holdsOf(key)) ?? []
  }

  /**
   * Fills the bucket of a key, and forgets what its reservations hold: at once in the store and here, within a second in processes that remember a denial.
   * @throws {Problem} `store-unavailable`
   */
  async reset(key: string): Promise<void> {
    const { storeOf, denialCache, localBuckets } = this.#options
    try {
      await storeOf(key).reset(key)
    } catch (cause) {
      throw new Problem('store-unavailable', 'the bucket store is unavailable; try again', { cause })
    }
    denialCache.forget(key)
    localBuckets.forget(key)
  }

  async #previewByBucket(check: BucketCheck): Promise<Decision | Problem> {
    const { localBuckets, onStoreFailure } = this.#options
    const reading = await this.#read(check)
    if (reading === undefined) return decideInOutage(check, onStoreFailure, asked => localBuckets.preview(asked))
    return decideByBucket(check, previewOf(reading, check.policy.limits, check.tokens), 'redis')
  }

  /** `undefined` if the store is unavailable. */
  async #read(check: BucketCheck): Promise<BucketReading | undefined> {
    try {
      const [reading] = await this.#options.storeOf(check.key).check([{ ...check, tokens: 0 }])
      return reading
    } catch {
      return undefined
    }
  }
}
