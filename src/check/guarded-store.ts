import { CircuitState, ConsecutiveBreaker, circuitBreaker, handleAll } from 'cockatiel'
import type { Policy } from '../domain/policy.ts'
import type { BucketReading } from '../domain/token-bucket.ts'
import type { Logger } from '../logger.ts'
import type { BucketCheck, BucketStore, CheckObserver } from './ports.ts'

const FAILURES_TO_OPEN = 5
const OPEN_FOR_MS = 500

/** Not allowed as a caller's key. */
const NOBODYS_KEY = '.'

export type Circuit = 'closed' | 'half-open' | 'open'

interface GuardedStoreOptions {
  readonly probePolicy: Policy
  readonly observer: CheckObserver
  readonly logger: Logger
}

/**
 * A store behind a circuit breaker: after five failures in a row calls fail at once, and every half second one
 * is let through to see whether the store is back.
 * @see https://github.com/connor4312/cockatiel#circuitbreakerpolicy-options
 */
export class GuardedStore implements BucketStore {
  readonly #store: BucketStore
  readonly #observer: CheckObserver
  readonly #probePolicy: Policy
  readonly #breaker

  constructor(store: BucketStore, { probePolicy, observer, logger }: GuardedStoreOptions) {
    this.#store = store
    this.#observer = observer
    this.#probePolicy = probePolicy
    this.#breaker = circuitBreaker(handleAll, {
      halfOpenAfter: OPEN_FOR_MS,
      breaker: new ConsecutiveBreaker(FAILURES_TO_OPEN),
    })
    this.#breaker.onBreak(reason => {
      const err = 'error' in reason ? reason.error : undefined
      logger.error({ err }, 'the store of buckets is away: the circuit is open')
    })
    this.#breaker.onReset(() => logger.info('the store of buckets is back: the circuit is closed'))
  }

  get circuit(): Circuit {
    switch (this.#breaker.state) {
      case CircuitState.Closed:
        return 'closed'
      case CircuitState.HalfOpen:
        return 'half-open'
      default:
        return 'open'
    }
  }

  check(checks: readonly BucketCheck[]): Promise<readonly BucketReading[]> {
    return this.#breaker.execute(() => this.#call(checks))
  }

  reset(key: string): Promise<void> {
    return this.#breaker.execute(() => this.#store.reset(key))
  }

  /** Runs the real script, reading a bucket that no caller can have. */
  async probe(): Promise<void> {
    await this.check([{ key: NOBODYS_KEY, policy: this.#probePolicy, tokens: 0 }])
  }

  async #call(checks: readonly BucketCheck[]): Promise<readonly BucketReading[]> {
    const start = performance.now()
    try {
      const readings = await this.#store.check(checks)
      this.#observer.storeCalled(checks.length, (performance.now() - start) / 1000)
      return readings
    } catch (err) {
      this.#observer.storeCalled(checks.length, (performance.now() - start) / 1000, err)
      throw err
    }
  }
}
