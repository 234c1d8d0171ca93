import type { OnReply } from '../../../src/check/batched-calls.ts'
import type {
  CheckGroup,
  Extension,
  ExtensionResult,
  GroupReading,
  Settlement,
  SettlementResult,
} from '../../../src/check/ports.ts'
import type { ReservationQueue } from '../../../src/check/reservation-queue.ts'
import type { Reservation } from '../../../src/domain/reservation.ts'
import type { ReservationId } from '../../../src/domain/reservation-id.ts'
import { SpecifiedStore } from './specified-store.ts'

type Calls = { readonly [name in keyof ReservationQueue]: ReservationQueue[name] }

/** The store by its specification, as if it were behind a queue. It can be unavailable, and it can keep groups waiting. */
export class InMemoryReservationQueue implements Calls {
  readonly store = new SpecifiedStore(1_000_000)
  isAvailable = true
  /** Groups that were decided. */
  groups = 0
  #held: Promise<void> = Promise.resolve()
  #release = () => {}

  /** Keeps groups waiting until `letGo`. */
  hold(): void {
    this.#held = new Promise(resolve => {
      this.#release = resolve
    })
  }

  letGo(): void {
    this.#release()
  }

  checkAll(group: CheckGroup, onReading: OnReply<GroupReading>): void {
    void this.#held.then(() => {
      if (this.isAvailable) this.groups++
      this.#answer(() => this.store.checkAll([group]), onReading)
    })
  }

  settle(settlement: Settlement, onResult: OnReply<SettlementResult>): void {
    this.#answer(() => this.store.settle([settlement]), onResult)
  }

  extend(extension: Extension, onResult: OnReply<ExtensionResult>): void {
    this.#answer(() => this.store.extend([extension]), onResult)
  }

  read(id: ReservationId, onReservation: OnReply<Reservation | null>): void {
    this.#answer(() => this.store.read([id]), onReservation)
  }

  async holdsOf(key: string) {
    return this.isAvailable ? this.store.holdsOf(key) : undefined
  }

  #answer<Reply>(call: () => Promise<readonly (Reply | undefined)[]>, onReply: OnReply<Reply>): void {
    const replies = this.isAvailable ? call() : Promise.resolve([])
    void replies.then(([reply]) => onReply(reply))
  }
}
