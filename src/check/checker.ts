import {
  type Decision,
  decideByBucket,
  decideByMode,
  decideByOutage,
  limitTooSmallFor,
  outagePolicyOf,
} from '../domain/decision.ts'
import type { OnStoreFailure } from '../domain/policy.ts'
import type { PolicyTable } from '../domain/policy-table.ts'
import { type BucketReading, previewOf } from '../domain/token-bucket.ts'
import { Problem } from '../lib/errors.ts'
import type { CheckQueue, OpenQueue, WaitingCheck } from './check-batcher.ts'
import type { DeniedCache } from './denial-cache.ts'
import type { LocalBuckets } from './local-buckets.ts'
import type { BucketCheck, BucketStore, CheckObserver } from './ports.ts'

export interface CheckDependencies {
  readonly policies: PolicyTable
  readonly store: Pick<BucketStore, 'reset'>
  readonly openQueue: OpenQueue
  readonly deniedCache: DeniedCache
  readonly localBuckets: LocalBuckets
  readonly observer: CheckObserver
  /** For policies that do not say. */
  readonly onStoreFailure: OnStoreFailure
  /** How many checks may wait, for a call of the store or for what another check learns. */
  readonly maxWaiting: number
}

/** A decision, or why there is none. */
export type CheckResult = Decision | Problem

/** Receives a result, how long it took, ms, and which of the checks that came together it is of. */
type Done = (result: CheckResult, tookMs: number, index: number) => void

/** All that is kept of a check while it waits, in one object: most of what a check costs beside HTTP is what it allocates. */
interface PendingCheck extends WaitingCheck {
  readonly index: number
  readonly done: Done
  /** Lets those go on that wait for what this check learns. */
  release?: (() => void) | undefined
}

/** A check of 0 tokens that finds out what another would be told. */
interface Preview extends PendingCheck {
  readonly asked: BucketCheck
}

/** May this key do this now? The use case of flow 1. Whether somebody may have such a key is for the routes to say. */
export class Checker {
  readonly #deps: CheckDependencies
  readonly #queue: CheckQueue<PendingCheck>
  /** Apart from the checks, which are many, so that these need not know of previews. */
  readonly #previews: CheckQueue<Preview>
  /** Checks that wait for what another learns. */
  #held = 0

  constructor(deps: CheckDependencies) {
    this.#deps = deps
    this.#queue = deps.openQueue((check, reading, nowMs) =>
      this.#isolate(check, () => this.#answer(check, reading, nowMs)),
    )
    this.#previews = deps.openQueue((preview, reading, nowMs) =>
      this.#isolate(preview, () => this.#answerPreview(preview, reading, nowMs)),
    )
  }

  /**
   * Calls back with the decision, or with a problem: `tokens-exceed-capacity`, `overloaded`, or `store-unavailable` where the
   * policy denies in an outage.
   */
  check(key: string, tokens: number, done: Done): void {
    this.#check(key, tokens, performance.now(), done)
  }

  /** Decides each for itself, in order. */
  checkAll(checks: readonly { readonly key: string; readonly tokens: number }[], done: Done): void {
    const startMs = performance.now()
    for (let index = 0; index < checks.length; index++) {
      const { key, tokens } = checks[index] as (typeof checks)[number]
      this.#checkInTurn(key, tokens, startMs, index, done)
    }
  }

  /** Calls back with what `check` would, but spends nothing. Previews are not counted, and read the store despite known denials. */
  preview(key: string, tokens: number, done: Done): void {
    const startMs = performance.now()
    const asked = { key, policy: this.#deps.policies.match(key), tokens }
    const known = impossibleProblem(asked) ?? decideByMode(asked) ?? this.#overloadedBy(this.#previews.waiting)
    if (known !== undefined) done(known, performance.now() - startMs, 0)
    else this.#previews.enqueue({ ...asked, tokens: 0, asked, startMs, index: 0, done, isAnswered: false })
  }

  /**
   * Makes the bucket of a key full: at once in the store and here, within a second in processes that remember a denial.
   * @throws {Problem} `store-unavailable`
   */
  async reset(key: string): Promise<void> {
    try {
      await this.#deps.store.reset(key)
    } catch (cause) {
      throw new Problem('store-unavailable', 'the store of buckets cannot be asked; try again', { cause })
    }
    this.#deps.deniedCache.forget(key)
    this.#deps.localBuckets.forget(key)
  }

  /** Asks the store, unless another check is asking the same again since it was denied: then that one's answer may do. */
  #check(key: string, tokens: number, startMs: number, done: Done): void {
    const check = this.#undecided(key, tokens, startMs, 0, done)
    if (check === undefined) return
    const askedAgain = this.#deps.deniedCache.askedAgain(check)
    if (askedAgain === undefined) this.#askStore(check)
    else this.#hold(check, askedAgain)
  }

  /** Asks the store after all that was asked before. What follows is not answered from what was known before this spends. */
  #checkInTurn(key: string, tokens: number, startMs: number, index: number, done: Done): void {
    const check = this.#undecided(key, tokens, startMs, index, done)
    if (check === undefined) return
    if (tokens > 0) this.#deps.deniedCache.forgetOtherThan(check)
    this.#askStore(check)
  }

  /** The check, unless it is answered without the store. */
  #undecided(key: string, tokens: number, startMs: number, index: number, done: Done): PendingCheck | undefined {
    const policy = this.#deps.policies.match(key)
    const check: PendingCheck = { key, policy, tokens, startMs, index, done, isAnswered: false, release: undefined }
    const known = this.#decideAlone(check)
    if (known === undefined) return check
    this.#finish(check, known, performance.now())
    return undefined
  }

  /** What can be said without the store. */
  #decideAlone(check: PendingCheck): CheckResult | undefined {
    const problem = impossibleProblem(check)
    if (problem !== undefined) return problem
    const decision = decideByMode(check) ?? this.#recall(check)
    return decision ?? this.#overloadedBy(this.#queue.waiting + this.#held)
  }

  #overloadedBy(waiting: number): Problem | undefined {
    return waiting >= this.#deps.maxWaiting ? new Problem('overloaded', OVERLOADED) : undefined
  }

  #recall(check: PendingCheck): Decision | undefined {
    const denial = this.#deps.deniedCache.recall(check)
    return denial && decideByBucket(check, denial, 'denied-cache')
  }

  #hold(check: PendingCheck, askedAgain: Promise<unknown>): void {
    const { key, tokens, startMs, done } = check
    this.#held++
    void askedAgain.then(() => {
      this.#held--
      this.#isolate(check, () => this.#check(key, tokens, startMs, done))
    })
  }

  /** A check that cannot be answered because of a bug must not take those along that are answered with it. */
  #isolate(check: PendingCheck, answer: () => void): void {
    try {
      answer()
    } catch (cause) {
      const problem = new Problem('internal', 'the check could not be answered', { cause })
      check.done(problem, performance.now() - check.startMs, check.index)
    }
  }

  #askStore(check: PendingCheck): void {
    if (this.#deps.deniedCache.isToBeAskedAgain(check)) this.#holdOthers(check)
    this.#queue.enqueue(check)
  }

  /** From now on others who ask the same wait for this check's answer. */
  #holdOthers(check: PendingCheck): void {
    const answer = new Promise<void>(resolve => {
      check.release = resolve
    })
    this.#deps.deniedCache.askAgain(check, answer)
  }

  #answer(check: PendingCheck, reading: BucketReading | undefined, nowMs: number): void {
    check.release?.()
    const decision = reading === undefined ? this.#decideWithoutStore(check) : this.#conclude(check, reading)
    if (decision === undefined) this.#deps.observer.undecided(check.policy, (nowMs - check.startMs) / 1000)
    this.#finish(check, decision ?? new Problem('store-unavailable', DENIED_IN_OUTAGE), nowMs)
  }

  /** What was refused is no decision, and not counted. */
  #finish(check: PendingCheck, result: CheckResult, nowMs: number): void {
    const tookMs = nowMs - check.startMs
    if (!(result instanceof Problem)) this.#deps.observer.decided(result, tookMs / 1000)
    check.done(result, tookMs, check.index)
  }

  #conclude(check: PendingCheck, reading: BucketReading): Decision {
    const { deniedCache, localBuckets } = this.#deps
    const decision = decideByBucket(check, reading, 'redis')
    if (localBuckets.size > 0 && wasFull(check, reading)) localBuckets.forget(check.key)
    if (reading.allowed) {
      // What another question was answered is no longer true.
      if (check.tokens > 0) deniedCache.forget(check.key)
    } else if (!decision.allowed && decision.retryAfterMs !== null) {
      deniedCache.remember(check, reading, decision.retryAfterMs, check.startMs)
    }
    return decision
  }

  #answerPreview({ asked, startMs, index, done }: Preview, reading: BucketReading | undefined, nowMs: number): void {
    const { limits } = asked.policy
    const decision =
      reading === undefined
        ? this.#decideWithoutStore(asked, 'preview')
        : decideByBucket(asked, previewOf(reading, limits, asked.tokens), 'redis')
    done(decision ?? new Problem('store-unavailable', DENIED_IN_OUTAGE), nowMs - startMs, index)
  }

  #decideWithoutStore(asked: BucketCheck, use: 'check' | 'preview' = 'check'): Decision | undefined {
    switch (outagePolicyOf(asked.policy, this.#deps.onStoreFailure)) {
      case 'local': {
        const { reading, counted } = this.#deps.localBuckets[use](asked)
        return decideByBucket(asked, reading, 'local', counted)
      }
      case 'allow':
        return decideByOutage(asked)
      case 'deny':
        return undefined
    }
  }
}

/** Whether nothing was spent before this check. */
function wasFull({ policy, tokens }: BucketCheck, { allowed, spent }: BucketReading): boolean {
  const byThis = allowed ? tokens : 0
  return policy.limits.every(({ unit }, i) => spent[i] === byThis * unit)
}

const DENIED_IN_OUTAGE =
  'the store of buckets cannot be asked, and the policy says that a check is then refused; this is no decision about the limit'

const OVERLOADED = 'as many checks wait for the store as MAX_WAITING_CHECKS allows'

function impossibleProblem({ key, policy, tokens }: BucketCheck): Problem | undefined {
  const limit = policy.definition.mode === 'enforce' ? limitTooSmallFor(policy, tokens) : undefined
  if (limit === undefined) return undefined
  const detail = `${tokens} tokens asked for "${key}", but the limit "${limit.name}" of the policy "${policy.configKey}" never holds more than ${limit.capacity}`
  return new Problem('tokens-exceed-capacity', detail)
}
