import { CircuitState, circuitBreaker, handleAll, type IBreaker } from 'cockatiel'
import { compilePolicy } from '../domain/policy.ts'
import type { BucketReading } from '../domain/token-bucket.ts'
import { startDeadline } from '../lib/deadline.ts'
import type { Logger } from '../observability/logger.ts'
import type { BucketCheck, BucketStore, CheckObserver } from './ports.ts'

const FAILURES_TO_OPEN = 5
const PROBE_INTERVAL_MS = 250

/**
 * Spends from a bucket that no caller can have, since `.` is not allowed as a key: a store that can only be read is not back.
 * The bucket is full again after a millisecond.
 */
const PROBE: BucketCheck = {
  key: '.',
  policy: compilePolicy('.', 0, {
    limits: [{ name: 'probe', capacity: 1_000_000, refillTokens: 1_000_000, refillIntervalMs: 1 }],
    mode: 'enforce',
  }),
  tokens: 1,
}

export type Circuit = 'closed' | 'half-open' | 'open'

/** The store gave no answer in time; it may have spent nevertheless. */
export class StoreTimeout extends Error {
  override readonly name = 'StoreTimeout'
}

/** The store was not asked, since it is known to be away. */
class CircuitOpen extends Error {
  override readonly name = 'CircuitOpen'
}

interface GuardedStoreOptions {
  /** What one call may take, ms. */
  readonly timeoutMs: number
  /** What kind of failure an error of the store is, in a word or two; of few kinds. */
  reasonOf(err: unknown): string
  /** Whether the store said, by this reason, that it can be read but not written. */
  refusesWrites(reason: string): boolean
  /** Where probes spend; one that is not allowed as a caller's key. */
  probeKey?(): string
  /** The circuit has just opened. */
  onOpened(reason: string): void
  /** The circuit is closed again. */
  onRecovered(): void
  readonly observer: CheckObserver
  readonly logger: Logger
}

/** Opens after five failures in a row; at once where the store refuses writes, since reads would succeed in between. */
class FailureBreaker implements IBreaker {
  state: unknown
  refusesWrites = false
  #failures = 0

  success(): void {
    this.#failures = 0
    this.refusesWrites = false
  }

  failure(): boolean {
    this.#failures++
    return this.refusesWrites || this.#failures >= FAILURES_TO_OPEN
  }
}

/**
 * A store behind a deadline and a circuit breaker: after five failures in a row calls fail at once, until the real script ran
 * for a probe. Probes are nobody's check, so no caller waits for one.
 * @see https://github.com/connor4312/cockatiel#circuitbreakerpolicy-options
 */
export class GuardedStore implements BucketStore {
  readonly #store: BucketStore
  readonly #options: GuardedStoreOptions
  readonly #away = new CircuitOpen('the store of buckets is away')
  readonly #failures = new FailureBreaker()
  readonly #breaker = circuitBreaker(handleAll, {
    // Only probes are let through, whenever they come; counted from the wall clock, which may be set, it could be never.
    halfOpenAfter: Number.NEGATIVE_INFINITY,
    breaker: this.#failures,
  })
  #reason: string | undefined
  #nextProbe: NodeJS.Timeout | undefined
  #closed = false

  constructor(store: BucketStore, options: GuardedStoreOptions) {
    this.#store = store
    this.#options = options
    this.#breaker.onBreak(cause => this.#lost('error' in cause ? cause.error : undefined))
    this.#breaker.onReset(() => this.#returned())
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

  /** Why the circuit is not closed. */
  get reason(): string | undefined {
    return this.#reason
  }

  check(checks: readonly BucketCheck[]): Promise<readonly (BucketReading | undefined)[]> {
    if (this.#breaker.state !== CircuitState.Closed) return Promise.reject(this.#away)
    return this.#breaker.execute(() => this.#call(checks))
  }

  reset(key: string): Promise<void> {
    if (this.#breaker.state !== CircuitState.Closed) return Promise.reject(this.#away)
    return this.#breaker.execute(() => inTime(this.#store.reset(key), this.#options.timeoutMs))
  }

  /** Runs the real script, whatever the circuit is; that closes it. Rejects when the store is away. */
  async probe(): Promise<void> {
    await this.#breaker.execute(() => this.#call([this.#probeCheck]))
  }

  /**
   * Why the store is unavailable, or `undefined` if it just ran the real script. Unlike a probe, this neither opens nor closes
   * the circuit; while that is not closed, its own probes look for the store and nothing more is sent.
   */
  async examine(): Promise<string | undefined> {
    if (this.#breaker.state !== CircuitState.Closed) return this.#reason
    return this.#call([this.#probeCheck]).then(
      () => undefined,
      err => this.#reasonOf(err),
    )
  }

  /** Looks for the store no more. */
  close(): void {
    this.#closed = true
    clearTimeout(this.#nextProbe)
  }

  /** This part of the store no longer exists, so its outage is over. */
  retire(): void {
    this.close()
    if (this.#reason === undefined) return
    this.#options.logger.info('the unavailable part of the bucket store no longer exists')
    this.#options.onRecovered()
  }

  get #probeCheck(): BucketCheck {
    return { ...PROBE, key: this.#options.probeKey?.() ?? PROBE.key }
  }

  async #call(checks: readonly BucketCheck[]): Promise<readonly (BucketReading | undefined)[]> {
    const { timeoutMs, observer } = this.#options
    const start = performance.now()
    try {
      const readings = await inTime(this.#store.check(checks), timeoutMs)
      observer.storeCalled(checks.length, (performance.now() - start) / 1000)
      return readings
    } catch (err) {
      const reason = this.#reasonOf(err)
      this.#failures.refusesWrites = this.#options.refusesWrites(reason)
      observer.storeCalled(checks.length, (performance.now() - start) / 1000, reason)
      throw err
    }
  }

  #reasonOf(err: unknown): string {
    return err instanceof StoreTimeout ? 'timeout' : this.#options.reasonOf(err)
  }

  /** Also called when a probe failed; then the circuit was open already, and has been reported. */
  #lost(err: unknown): void {
    const wasAway = this.#reason !== undefined
    this.#reason = this.#reasonOf(err)
    if (!wasAway) {
      this.#options.logger.error({ err, reason: this.#reason }, 'the store of buckets is away: the circuit is open')
      this.#options.onOpened(this.#reason)
    }
    if (this.#closed) return
    clearTimeout(this.#nextProbe)
    this.#nextProbe = setTimeout(() => this.probe().catch(() => undefined), PROBE_INTERVAL_MS).unref()
  }

  #returned(): void {
    this.#reason = undefined
    this.#options.logger.info('the store of buckets is back: the circuit is closed')
    this.#options.onRecovered()
  }
}

/** @throws {StoreTimeout} when there is no answer after `limitMs` */
export function inTime<T>(answer: Promise<T>, limitMs: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const deadline = startDeadline(limitMs, () => reject(new StoreTimeout(`no answer within ${limitMs} ms`)))
    void answer.then(resolve, reject).then(() => clearTimeout(deadline))
  })
}
