import type { Hold } from '../domain/holds.ts'
import { compilePolicy } from '../domain/policy.ts'
import type { BucketReading } from '../domain/reading.ts'
import type { Reservation } from '../domain/reservation.ts'
import type { ReservationId } from '../domain/reservation-id.ts'
import { TimeoutError, withDeadline } from '../lib/deadline.ts'
import { type Circuit, CircuitBreaker, type CircuitBreakerOptions } from './circuit-breaker.ts'
import type { OutageClock } from './outage-clock.ts'
import type {
  BucketCheck,
  CheckGroup,
  CheckObserver,
  Extension,
  ExtensionResult,
  GroupReading,
  KeyStore,
  Settlement,
  SettlementResult,
  Unfinished,
} from './ports.ts'

/**
 * Spends a token, since a store that can only be read has not recovered. No caller's key is `.`, and the bucket is full again
 * after a millisecond.
 */
const PROBE: BucketCheck = {
  key: '.',
  policy: compilePolicy('.', 0, {
    limits: [{ name: 'probe', capacity: 1_000_000, refillTokens: 1_000_000, refillIntervalMs: 1 }],
    mode: 'enforce',
  }),
  tokens: 1,
}

interface CircuitBreakerStoreOptions extends CircuitBreakerOptions {
  /** How long one call may take, in ms. */
  readonly timeoutMs: number
  /** How long after a probe its connection is examined, if it was not answered in time; in ms. */
  readonly hangTimeoutMs: number
  /** Where probes spend; not allowed as a caller's key. */
  probeKey?(): string
  /** A probe was sent. The result is called after `hangTimeoutMs` if it was not answered in time; it connects again if the connection is broken. */
  watchReplies(): () => void
  readonly observer: CheckObserver
}

/**
 * A store of buckets with a deadline for each call and a circuit breaker. A call that takes too long fails with a `TimeoutError`. While the
 * circuit is not closed, calls fail without the store being asked. Probes run the real script.
 */
export class CircuitBreakerStore implements KeyStore {
  readonly #store: KeyStore
  readonly #options: CircuitBreakerStoreOptions
  readonly #breaker: CircuitBreaker

  constructor(store: KeyStore, options: CircuitBreakerStoreOptions) {
    this.#store = store
    this.#options = options
    this.#breaker = new CircuitBreaker(options, () => this.#callProbe())
  }

  get circuit(): Circuit {
    return this.#breaker.circuit
  }

  get outage(): OutageClock {
    return this.#options.outage
  }

  /** Why the circuit is not closed. */
  get reason(): string | undefined {
    return this.#breaker.reason
  }

  check(checks: readonly BucketCheck[]): Promise<readonly (BucketReading | undefined)[]> {
    return this.#guarded(checks, items => this.#store.check(items))
  }

  checkAll(groups: readonly CheckGroup[]): Promise<readonly (GroupReading | undefined)[]> {
    return this.#guarded(groups, items => this.#store.checkAll(items))
  }

  settle(settlements: readonly Settlement[]): Promise<readonly (SettlementResult | Unfinished | undefined)[]> {
    return this.#guarded(settlements, items => this.#store.settle(items))
  }

  extend(extensions: readonly Extension[]): Promise<readonly (ExtensionResult | Unfinished | undefined)[]> {
    return this.#guarded(extensions, items => this.#store.extend(items))
  }

  read(ids: readonly ReservationId[]): Promise<readonly (Reservation | null | Unfinished | undefined)[]> {
    return this.#guarded(ids, items => this.#store.read(items))
  }

  holdsOf(key: string): Promise<readonly Hold[]> {
    return this.#guarded([key], () => this.#store.holdsOf(key))
  }

  reset(key: string): Promise<void> {
    return this.#breaker.guard(() => withDeadline(this.#store.reset(key), this.#options.timeoutMs))
  }

  #guarded<Item, Results>(items: readonly Item[], ask: (items: readonly Item[]) => Promise<Results>): Promise<Results> {
    return this.#breaker.guard(() => this.#call(items, ask))
  }

  /** Runs the real script, in every state of the circuit. Success closes the circuit. Rejects if the store is unavailable. */
  probe(): Promise<void> {
    return this.#breaker.probe()
  }

  /**
   * Why the store is unavailable, or `undefined` if it has just run the real script. Unlike a probe, this neither opens nor closes
   * the circuit; while that is not closed, nothing is sent, since probes look for the store already.
   */
  async examine(): Promise<string | undefined> {
    if (this.circuit !== 'closed') return this.reason
    return this.#callProbe().then(
      () => undefined,
      err => this.#options.reasonOf(err),
    )
  }

  /** Ends the probes. */
  close(): void {
    this.#breaker.close()
  }

  /** This part of the store no longer exists, so its outage is over. */
  retire(): void {
    this.#breaker.retire()
  }

  /** Probes alone are watched: while checks fail, probes follow soon, and watching each check would cost time. */
  async #callProbe(): Promise<unknown> {
    const { timeoutMs, hangTimeoutMs, watchReplies } = this.#options
    const probe = { ...PROBE, key: this.#options.probeKey?.() ?? PROBE.key }
    const answer = this.#call([probe], checks => this.#store.check(checks))
    const examine = watchReplies()
    try {
      return await answer
    } catch (err) {
      // An answer that arrives meanwhile may be that to another command.
      if (err instanceof TimeoutError) setTimeout(examine, hangTimeoutMs - timeoutMs).unref()
      throw err
    }
  }

  async #call<Item, Results>(
    items: readonly Item[],
    ask: (items: readonly Item[]) => Promise<Results>,
  ): Promise<Results> {
    const { timeoutMs, observer } = this.#options
    const startMs = performance.now()
    try {
      const results = await withDeadline(ask(items), timeoutMs)
      observer.storeCalled(items.length, (performance.now() - startMs) / 1000)
      return results
    } catch (err) {
      observer.storeCalled(items.length, (performance.now() - startMs) / 1000, this.#options.reasonOf(err))
      throw err
    }
  }
}
