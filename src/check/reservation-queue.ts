import type { Hold } from '../domain/holds.ts'
import type { Reservation } from '../domain/reservation.ts'
import type { ReservationId } from '../domain/reservation-id.ts'
import { BatchedCalls, type OnReply } from './batched-calls.ts'
import { limitWeight } from './check-weight.ts'
import type {
  CheckGroup,
  Extension,
  ExtensionResult,
  GroupReading,
  KeyStore,
  Settlement,
  SettlementResult,
} from './ports.ts'

/** The weight of one call of the store, in checks by one limit: as many as a call of checks has. */
const MAX_BATCH = 256

/** The least weight of a group, and that of a call on a reservation. */
const MIN_WEIGHT = 4

/** What a hold costs the store, with its end, in checks of the same key. */
const HOLD_WEIGHT = 4

interface ReservationQueueOptions {
  /** The store that holds the key's bucket now. */
  storeOf(key: string): KeyStore
  /** The store that holds the record of a reservation now. */
  storeOfReservation(id: ReservationId): KeyStore
  /** How long a call waits for its reply, in ms. */
  readonly timeoutMs: number
}

/**
 * Where groups of checks, and calls on reservations, wait for the store. Each method calls back later, never at
 * once.
 */
export class ReservationQueue {
  readonly #options: ReservationQueueOptions
  readonly #groups: BatchedCalls<CheckGroup, GroupReading>
  readonly #settlements: BatchedCalls<Settlement, SettlementResult>
  readonly #extensions: BatchedCalls<Extension, ExtensionResult>
  readonly #reads: BatchedCalls<ReservationId, Reservation | null>

  constructor(options: ReservationQueueOptions) {
    const { storeOf, storeOfReservation, timeoutMs } = options
    const bounds = { timeoutMs, maxBatch: MAX_BATCH, weightOf: () => MIN_WEIGHT }
    this.#options = options
    this.#groups = new BatchedCalls({
      ...bounds,
      // All keys of a group are in the same part of the store.
      storeOf: ({ checks: [first], hold }) =>
        hold === undefined ? storeOf(first?.key ?? '') : storeOfReservation(hold.id),
      weightOf: group => Math.max(MIN_WEIGHT, weightOfGroup(group)),
      call: (store, groups) => store.checkAll(groups),
    })
    this.#settlements = new BatchedCalls({
      ...bounds,
      storeOf: ({ id }) => storeOfReservation(id),
      call: (store, settlements) => store.settle(settlements),
    })
    this.#extensions = new BatchedCalls({
      ...bounds,
      storeOf: ({ id }) => storeOfReservation(id),
      call: (store, extensions) => store.extend(extensions),
    })
    this.#reads = new BatchedCalls({ ...bounds, storeOf: storeOfReservation, call: (store, ids) => store.read(ids) })
  }

  checkAll(group: CheckGroup, onReading: OnReply<GroupReading>): void {
    this.#groups.ask(group, onReading)
  }

  settle(settlement: Settlement, onResult: OnReply<SettlementResult>): void {
    this.#settlements.ask(settlement, onResult)
  }

  extend(extension: Extension, onResult: OnReply<ExtensionResult>): void {
    this.#extensions.ask(extension, onResult)
  }

  read(id: ReservationId, onReservation: OnReply<Reservation | null>): void {
    this.#reads.ask(id, onReservation)
  }

  /** The first holds of a key by expiry, at most 100; `undefined` if the store is unavailable. */
  async holdsOf(key: string): Promise<readonly Hold[] | undefined> {
    try {
      return await this.#options.storeOf(key).holdsOf(key)
    } catch {
      return undefined
    }
  }
}

function weightOfGroup({ checks, hold }: CheckGroup): number {
  const weight = checks.reduce((sum, { policy }) => sum + limitWeight(policy), 0)
  return hold === undefined ? weight : HOLD_WEIGHT * weight
}
