import type { Hold } from '../domain/holds.ts'
import { compilePolicy } from '../domain/policy.ts'
import type { BucketReading } from '../domain/reading.ts'
import type { Reservation } from '../domain/reservation.ts'
import type { ReservationId } from '../domain/reservation-id.ts'
import { TimeoutError, withDeadline } from '../lib/deadline.ts'
import type { Logger } from '../observability/logger.ts'
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

/** Consecutive failures that open the circuit. */
const FAILURES_TO_OPEN = 5

/** Time between two probes while the circuit is open, in ms. */
const PROBE_INTERVAL_MS = 250

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

export type Circuit = 'closed' | 'half-open' | 'open'

/** The store was not asked, since the circuit is not closed. */
class CircuitOpenError extends Error {
  override readonly name = 'CircuitOpenError'
}

interface CircuitBreakerStoreOptions {
  /** How long one call may take, in ms. */
  readonly timeoutMs: number
  /** How long after a probe its connection is examined, if it was not answered in time; in ms. */
  readonly hangTimeoutMs: number
  /** Why a call failed, in one of a few words; a `TimeoutError` says that the deadline passed. */
  reasonOf(err: unknown): string
  /** The same in a sentence, for the log. */
  explain(err: Error): string
  /** Whether this reason says that the store can be read but not written. */
  refusesWrites(reason: string): boolean
  /** Where probes spend; not allowed as a caller's key. */
  probeKey?(): string
  /** A probe was sent. The result is called after `hangTimeoutMs` if it was not answered in time; it connects again if the connection is broken. */
  watchReplies(): () => void
  /** The circuit has just opened. */
  onOpened(reason: string): void
  /** Runs while the circuit is not closed. */
  readonly outage: OutageClock
  readonly observer: CheckObserver
  readonly logger: Logger
}

/**
 * A store of buckets with a deadline for each call and a circuit breaker. Five consecutive failures open the circuit; a store that
 * refuses writes opens it at once, since reads would succeed in between. While it is open, calls fail without the store being
 * asked, until a probe succeeds. Probes run the real script and belong to no caller, so no caller waits for one.
 * @see https://martinfowler.com/bliki/CircuitBreaker.html
 */
export class CircuitBreakerStore implements KeyStore {
  readonly #store: KeyStore
  readonly #options: CircuitBreakerStoreOptions
  /** Created once: an error with a stack for each check of an outage would be costly. */
  readonly #openError = new CircuitOpenError('the bucket store is unavailable: the circuit is open')
  #circuit: Circuit = 'closed'
  #consecutiveFailures = 0
  #reason: string | undefined
  #nextProbe: NodeJS.Timeout | undefined
  #recovery: Promise<void> | undefined
  #isShutDown = false

  constructor(store: KeyStore, options: CircuitBreakerStoreOptions) {
    this.#store = store
    this.#options = options
  }

  get circuit(): Circuit {
    return this.#circuit
  }

  get outage(): OutageClock {
    return this.#options.outage
  }

  /** Why the circuit is not closed. */
  get reason(): string | undefined {
    return this.#reason
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

  async reset(key: string): Promise<void> {
    if (this.#circuit !== 'closed') throw this.#openError
    await this.#counted(withDeadline(this.#store.reset(key), this.#options.timeoutMs))
  }

  async #guarded<Item, Results>(
    items: readonly Item[],
    ask: (items: readonly Item[]) => Promise<Results>,
  ): Promise<Results> {
    if (this.#circuit !== 'closed') throw this.#openError
    return this.#counted(this.#call(items, ask))
  }

  /** Runs the real script, in every state of the circuit. Success closes the circuit. Rejects if the store is unavailable. */
  async probe(): Promise<void> {
    if (this.#circuit === 'closed') {
      await this.#counted(this.#callProbe())
      return
    }
    this.#recovery ??= this.#tryToRecover().finally(() => {
      this.#recovery = undefined
    })
    await this.#recovery
  }

  /**
   * Why the store is unavailable, or `undefined` if it has just run the real script. Unlike a probe, this neither opens nor closes
   * the circuit; while that is not closed, nothing is sent, since probes look for the store already.
   */
  async examine(): Promise<string | undefined> {
    if (this.#circuit !== 'closed') return this.#reason
    return this.#callProbe().then(
      () => undefined,
      err => this.#options.reasonOf(err),
    )
  }

  /** Ends the probes. */
  close(): void {
    this.#isShutDown = true
    clearTimeout(this.#nextProbe)
  }

  /** This part of the store no longer exists, so its outage is over. */
  retire(): void {
    this.close()
    if (this.#circuit === 'closed') return
    this.#options.logger.info('the unavailable part of the bucket store no longer exists')
    this.outage.stop()
  }

  /** Opens the circuit if this call fails and is one too many. */
  async #counted<T>(call: Promise<T>): Promise<T> {
    try {
      const result = await call
      this.#consecutiveFailures = 0
      return result
    } catch (err) {
      const reason = this.#options.reasonOf(err)
      this.#consecutiveFailures++
      const isOneTooMany = this.#consecutiveFailures >= FAILURES_TO_OPEN || this.#options.refusesWrites(reason)
      if (isOneTooMany && this.#circuit === 'closed') this.#open(err as Error, reason)
      throw err
    }
  }

  #open(err: Error, reason: string): void {
    this.#circuit = 'open'
    this.#reason = reason
    const detail = this.#options.explain(err)
    this.#options.logger.error({ reason, detail }, 'the bucket store is unavailable: the circuit is open')
    this.outage.start()
    this.#options.onOpened(reason)
    this.#scheduleProbe()
  }

  async #tryToRecover(): Promise<void> {
    clearTimeout(this.#nextProbe)
    this.#circuit = 'half-open'
    try {
      await this.#callProbe()
      this.#recover()
    } catch (err) {
      this.#circuit = 'open'
      this.#reason = this.#options.reasonOf(err)
      this.#scheduleProbe()
      throw err
    }
  }

  #recover(): void {
    this.#circuit = 'closed'
    this.#reason = undefined
    this.#consecutiveFailures = 0
    this.outage.stop()
    this.#options.logger.info('the bucket store has recovered: the circuit is closed')
  }

  #scheduleProbe(): void {
    if (this.#isShutDown) return
    this.#nextProbe = setTimeout(() => this.probe().catch(() => undefined), PROBE_INTERVAL_MS).unref()
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
