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

/** A decision, or why there is none. */
export type CheckResult = Decision | Problem

/** May this key do this now? The use case of flow 1. */
export class Checker {
  readonly #deps: CheckDependencies

  constructor(deps: CheckDependencies) {
    this.#deps = deps
  }

  /**
   * Resolves with the decision, or with a problem: `key-invalid`, `tokens-exceed-capacity`, `overloaded`, or `store-unavailable`
   * where the policy denies in an outage.
   */
  check(key: string, tokens: number): Promise<CheckResult> {
    return new Promise(resolve => this.#decide(key, tokens, resolve))
  }

  /** Decides each for itself, in order; resolves with the results in that order. */
  checkAll(checks: readonly { readonly key: string; readonly tokens: number }[]): Promise<readonly CheckResult[]> {
    return new Promise(resolve => {
      const results: CheckResult[] = new Array(checks.length)
      let missing = checks.length
      for (const [i, { key, tokens }] of checks.entries()) {
        this.#decide(key, tokens, result => {
          results[i] = result
          missing--
          if (missing === 0) resolve(results)
        })
      }
    })
  }

  /**
   * Makes the bucket of a key full: at once in the store and here, within a second in processes that remember a denial.
   * @throws {Problem} `key-invalid`, `store-unavailable`
   */
  async reset(key: string): Promise<void> {
    const problem = keyProblem(key)
    if (problem !== undefined) throw problem
    try {
      await this.#deps.store.reset(key)
    } catch (cause) {
      throw new Problem('store-unavailable', 'the store of buckets cannot be asked; try again', { cause })
    }
    this.#deps.deniedCache.forget(key)
  }

  /** Calls back rather than promise: most of what a check costs beside HTTP is what it allocates. */
  #decide(key: string, tokens: number, done: (result: CheckResult) => void): void {
    const startMs = performance.now()
    const asked = { key, policy: this.#deps.policies.match(key), tokens }
    const known = this.#decideAlone(asked, startMs)
    if (known === undefined) this.#askStore(asked, startMs, done)
    else done(known)
  }

  /** What can be said without the store. */
  #decideAlone(asked: BucketCheck, startMs: number): CheckResult | undefined {
    const problem = keyProblem(asked.key) ?? impossibleProblem(asked)
    if (problem !== undefined) return problem
    const decision = decideByMode(asked) ?? this.#recall(asked)
    if (decision !== undefined) return this.#count(asked, decision, startMs)
    return this.#deps.batcher.isFull ? new Problem('overloaded', OVERLOADED) : undefined
  }

  #recall(asked: BucketCheck): Decision | undefined {
    const denial = this.#deps.deniedCache.recall(asked)
    return denial && decideByBucket(asked, denial, 'denied-cache')
  }

  #askStore(asked: BucketCheck, startMs: number, done: (result: CheckResult) => void): void {
    const { deniedCache, batcher } = this.#deps
    const askedAgain = deniedCache.askedAgain(asked)
    if (askedAgain !== undefined) {
      void askedAgain.then(() => this.#decide(asked.key, asked.tokens, done))
      return
    }
    const release = this.#holdOthers(asked)
    batcher.enqueue(asked, reading => {
      release?.()
      done(this.#count(asked, this.#conclude(asked, reading, startMs), startMs))
    })
  }

  /** Where the question was denied before, others who ask it wait for this answer. */
  #holdOthers(asked: BucketCheck): (() => void) | undefined {
    if (!this.#deps.deniedCache.isToBeAskedAgain(asked)) return undefined
    let release: (() => void) | undefined
    const answer = new Promise<void>(resolve => {
      release = resolve
    })
    this.#deps.deniedCache.askAgain(asked, answer)
    return release
  }

  #conclude(asked: BucketCheck, reading: BucketReading | undefined, startMs: number): Decision | undefined {
    if (reading === undefined) return this.#decideWithoutStore(asked)
    const decision = decideByBucket(asked, reading, 'redis')
    if (!decision.allowed && decision.retryAfterMs !== null) {
      this.#deps.deniedCache.remember(asked, reading, decision.retryAfterMs, startMs)
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

  #count(asked: BucketCheck, decision: Decision | undefined, startMs: number): CheckResult {
    const seconds = (performance.now() - startMs) / 1000
    if (decision !== undefined) {
      this.#deps.observer.decided(decision, seconds)
      return decision
    }
    this.#deps.observer.undecided(asked.policy, seconds)
    return new Problem('store-unavailable', DENIED_IN_OUTAGE)
  }
}

const DENIED_IN_OUTAGE =
  'the store of buckets cannot be asked, and the policy says that a check is then refused; this is no decision about the limit'

const OVERLOADED = 'as many checks wait for the store as MAX_WAITING_CHECKS allows'

function keyProblem(key: string): Problem | undefined {
  const fault = keyFault(key)
  if (fault === undefined) return undefined
  return new Problem('key-invalid', fault, { members: { errors: [{ path: '/key', message: fault }] } })
}

function impossibleProblem({ key, policy, tokens }: BucketCheck): Problem | undefined {
  const limit = policy.definition.mode === 'enforce' ? limitTooSmallFor(policy, tokens) : undefined
  if (limit === undefined) return undefined
  const detail = `${tokens} tokens asked for "${key}", but the limit "${limit.name}" of the policy "${policy.configKey}" never holds more than ${limit.capacity}`
  return new Problem('tokens-exceed-capacity', detail)
}
