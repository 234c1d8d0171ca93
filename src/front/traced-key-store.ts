import type {
  BucketCheck,
  CheckGroup,
  CheckOrigin,
  Extension,
  ExtensionResult,
  GroupReading,
  KeyStore,
  Settlement,
  SettlementResult,
  Unfinished,
} from '../check/ports.ts'
import type { BucketReading } from '../domain/reading.ts'
import type { ReservationId } from '../domain/reservation-id.ts'
import type { Span, Tracing } from '../tracing/tracer.ts'

/** What a call of the store answers. */
interface Asked {
  readonly origin?: CheckOrigin | undefined
}

/**
 * A store with a span for each call that decides for traced requests. Requests share a call, and a span has one parent: that is the
 * first of them. The call links to the others, as OpenTelemetry has it for work on a batch, and they link to the call, so that
 * whoever looks at any of them finds where its time went.
 */
export class TracedKeyStore implements KeyStore {
  readonly #store: KeyStore
  readonly #tracing: Tracing
  readonly #server: string | undefined

  /** @param server the part of the store, if it has several */
  constructor(store: KeyStore, tracing: Tracing, server?: string) {
    this.#store = store
    this.#tracing = tracing
    this.#server = server
  }

  check(checks: readonly BucketCheck[]): Promise<readonly (BucketReading | undefined)[]> {
    return this.#traced('check', checks, () => this.#store.check(checks))
  }

  checkAll(groups: readonly CheckGroup[]): Promise<readonly (GroupReading | undefined)[]> {
    return this.#traced('check-groups', groups, () => this.#store.checkAll(groups))
  }

  settle(settlements: readonly Settlement[]): Promise<readonly (SettlementResult | Unfinished | undefined)[]> {
    return this.#traced('settle', settlements, () => this.#store.settle(settlements))
  }

  extend(extensions: readonly Extension[]): Promise<readonly (ExtensionResult | Unfinished | undefined)[]> {
    return this.#traced('extend', extensions, () => this.#store.extend(extensions))
  }

  read(ids: readonly ReservationId[]) {
    return this.#store.read(ids)
  }

  holdsOf(key: string) {
    return this.#store.holdsOf(key)
  }

  reset(key: string): Promise<void> {
    return this.#store.reset(key)
  }

  async #traced<Result>(operation: string, items: readonly Asked[], ask: () => Promise<Result>): Promise<Result> {
    const span = this.#begin(operation, items)
    if (span === undefined) return ask()
    try {
      return await ask()
    } catch (err) {
      span.fail((err as Error).name)
      throw err
    } finally {
      span.end()
    }
  }

  /** `undefined` if no request is traced. @see https://opentelemetry.io/docs/specs/semconv/database/redis/ */
  #begin(operation: string, items: readonly Asked[]): Span | undefined {
    const [parent, ...others] = this.#spansOf(items)
    if (parent === undefined) return undefined
    const span = this.#tracing.tracer.startSpan(`redis ${operation}`, { kind: 'client', parent })
    span?.setAttributes({
      'db.system.name': 'redis',
      'db.operation.name': 'EVALSHA',
      'db.operation.batch.size': items.length > 1 ? items.length : undefined,
      'server.address': this.#server,
      'throttler.operation': operation,
    })
    for (const other of others) {
      span?.addLink(other)
      if (span !== undefined) other.addLink(span)
    }
    return span
  }

  #spansOf(items: readonly Asked[]): ReadonlySet<Span> {
    const { spans } = this.#tracing
    return new Set(items.flatMap(({ origin }) => (origin && spans.get(origin)) ?? []))
  }
}
