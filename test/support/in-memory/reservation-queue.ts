import type { CheckGroup, Extension, Settlement } from '../../../src/check/ports.ts'
import type { ReservationQueue } from '../../../src/check/reservation-queue.ts'
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

  async checkAll(group: CheckGroup) {
    await this.#held
    if (this.isAvailable) this.groups++
    return this.#one(() => this.store.checkAll([group]))
  }

  settle(settlement: Settlement) {
    return this.#one(() => this.store.settle([settlement]))
  }

  extend(extension: Extension) {
    return this.#one(() => this.store.extend([extension]))
  }

  read(id: ReservationId) {
    return this.#one(() => this.store.read([id]))
  }

  async holdsOf(key: string) {
    return this.isAvailable ? this.store.holdsOf(key) : undefined
  }

  async #one<T>(call: () => Promise<readonly T[]>): Promise<T | undefined> {
    return this.isAvailable ? (await call())[0] : undefined
  }
}
