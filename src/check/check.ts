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
import type { LocalBuckets } from './local-buckets.ts'
import type { BucketCheck, CheckObserver } from './ports.ts'

export interface CheckDependencies {
  readonly policies: PolicyTable
  readonly buckets: { check(check: BucketCheck): Promise<BucketReading> }
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

  /** @throws {Problem} `key-invalid`, `tokens-exceed-capacity`, or `store-unavailable` where the policy denies in an outage */
  async check(key: string, tokens: number): Promise<Decision> {
    const start = performance.now()
    const asked = this.#accept(key, tokens)
    const decision = decideByMode(asked) ?? (await this.#askStore(asked))
    const seconds = (performance.now() - start) / 1000
    if (decision !== undefined) {
      this.#deps.observer.decided(decision, seconds)
      return decision
    }
    this.#deps.observer.undecided(asked.policy, seconds)
    throw new Problem('store-unavailable', DENIED_IN_OUTAGE)
  }

  #accept(key: string, tokens: number): BucketCheck {
    const fault = keyFault(key)
    if (fault !== undefined)
      throw new Problem('key-invalid', fault, { members: { errors: [{ path: '/key', message: fault }] } })
    const asked = { key, policy: this.#deps.policies.match(key), tokens }
    if (asked.policy.definition.mode === 'enforce') refuseImpossible(asked)
    return asked
  }

  async #askStore(asked: BucketCheck): Promise<Decision | undefined> {
    let reading: BucketReading
    try {
      reading = await this.#deps.buckets.check(asked)
    } catch {
      return this.#decideWithoutStore(asked)
    }
    return decideByBucket(asked, reading, 'redis')
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

function refuseImpossible({ key, policy, tokens }: BucketCheck): void {
  const limit = limitTooSmallFor(policy, tokens)
  if (limit === undefined) return
  const detail = `${tokens} tokens asked for "${key}", but the limit "${limit.name}" of the policy "${policy.configKey}" never holds more than ${limit.capacity}`
  throw new Problem('tokens-exceed-capacity', detail)
}
