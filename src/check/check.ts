import {
  type Decision,
  decideByBucket,
  decideByMode,
  decideByOutage,
  limitTooSmallFor,
  outagePolicyOf,
} from '../domain/decision.ts'
import { keyFault } from '../domain/key.ts'
import type { OnStoreFailure } from '../domain/policy.ts'
import type { PolicyTable } from '../domain/policy-table.ts'
import type { BucketReading } from '../domain/token-bucket.ts'
import { Problem } from '../errors.ts'
import type { CheckBatcher } from './batcher.ts'
import type { DeniedCache } from './denied-cache.ts'
import type { LocalBuckets } from './local-buckets.ts'
import type { BucketCheck, BucketStore, CheckObserver } from './ports.ts'

export interface CheckDependencies {
  readonly policies: PolicyTable
  readonly batcher: CheckBatcher
  readonly store: BucketStore
  readonly deniedCache: DeniedCache
  readonly localBuckets: LocalBuckets
  readonly observer: CheckObserver
  /** For policies that do not say. */
  readonly onStoreFailure: OnStoreFailure
}

/** May this key do this now? The use case of flow 1. */
export class Checker {
  readonly #deps: CheckDependencies

  constructor(deps: CheckDependencies) {
    this.#deps = deps
  }

  /**
   * @throws {Problem} `key-invalid`, `tokens-exceed-capacity`, `overloaded`, or `store-unavailable` where the policy denies in an
   * outage
   */
  async check(key: string, tokens: number): Promise<Decision> {
    const startMs = performance.now()
    const asked = this.#accept(key, tokens)
    const decision = this.#decideAlone(asked) ?? (await this.#decideByStore(asked, startMs))
    const seconds = (performance.now() - startMs) / 1000
    if (decision !== undefined) {
      this.#deps.observer.decided(decision, seconds)
      return decision
    }
    this.#deps.observer.undecided(asked.policy, seconds)
    throw new Problem('store-unavailable', DENIED_IN_OUTAGE)
  }

  /**
   * Makes the bucket of a key full: at once in the store and here, within a second in processes that remember a denial.
   * @throws {Problem} `key-invalid`, `store-unavailable`
   */
  async reset(key: string): Promise<void> {
    acceptKey(key)
    try {
      await this.#deps.store.reset(key)
    } catch (cause) {
      throw new Problem('store-unavailable', 'the store of buckets cannot be asked; try again', { cause })
    }
    this.#deps.deniedCache.forget(key)
  }

  #accept(key: string, tokens: number): BucketCheck {
    acceptKey(key)
    const asked = { key, policy: this.#deps.policies.match(key), tokens }
    if (asked.policy.definition.mode === 'enforce') refuseImpossible(asked)
    return asked
  }

  /** What is known without the store. */
  #decideAlone(asked: BucketCheck): Decision | undefined {
    return decideByMode(asked) ?? this.#recall(asked)
  }

  #recall(asked: BucketCheck): Decision | undefined {
    const denial = this.#deps.deniedCache.recall(asked)
    return denial && decideByBucket(asked, denial, 'denied-cache')
  }

  #decideByStore(asked: BucketCheck, startMs: number): Promise<Decision | undefined> {
    const askedAgain = this.#deps.deniedCache.askedAgain(asked)
    if (askedAgain === undefined) return this.#askStore(asked, startMs)
    return askedAgain.then(() => this.#recall(asked) ?? this.#askStore(asked, startMs))
  }

  async #askStore(asked: BucketCheck, startMs: number): Promise<Decision | undefined> {
    const { batcher, deniedCache } = this.#deps
    const answer = batcher.check(asked)
    deniedCache.askAgain(asked, answer)
    let reading: BucketReading
    try {
      reading = await answer
    } catch (err) {
      if (err instanceof Problem) throw err
      return this.#decideWithoutStore(asked)
    }
    const decision = decideByBucket(asked, reading, 'redis')
    if (!decision.allowed && decision.retryAfterMs !== null) {
      deniedCache.remember(asked, reading, decision.retryAfterMs, startMs)
    }
    return decision
  }

  #decideWithoutStore(asked: BucketCheck): Decision | undefined {
    switch (outagePolicyOf(asked.policy, this.#deps.onStoreFailure)) {
      case 'local': {
        const { reading, counted } = this.#deps.localBuckets.check(asked)
        return decideByBucket(asked, reading, 'local', counted)
      }
      case 'allow':
        return decideByOutage(asked)
      case 'deny':
        return undefined
    }
  }
}

const DENIED_IN_OUTAGE =
  'the store of buckets cannot be asked, and the policy says that a check is then refused; this is no decision about the limit'

function acceptKey(key: string): void {
  const fault = keyFault(key)
  if (fault === undefined) return
  throw new Problem('key-invalid', fault, { members: { errors: [{ path: '/key', message: fault }] } })
}

function refuseImpossible({ key, policy, tokens }: BucketCheck): void {
  const limit = limitTooSmallFor(policy, tokens)
  if (limit === undefined) return
  const detail = `${tokens} tokens asked for "${key}", but the limit "${limit.name}" of the policy "${policy.configKey}" never holds more than ${limit.capacity}`
  throw new Problem('tokens-exceed-capacity', detail)
}
