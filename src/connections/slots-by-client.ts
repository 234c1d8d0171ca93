import type { HeldSlot } from './held-slot.ts'

type Slots = Set<HeldSlot>

/** The slots that each client holds. Adding or removing one costs the same, however many there are. */
export class SlotsByClient {
  readonly #byClient = new Map<string, Slots>()
  /** The clients, by the number of their slots. */
  readonly #bySize = new Map<number, Set<Slots>>()
  #mostSlots = 0

  get mostSlots(): number {
    return this.#mostSlots
  }

  slotsOf(client: string): number {
    return this.#byClient.get(client)?.size ?? 0
  }

  add(slot: HeldSlot): void {
    const slots = this.#byClient.get(slot.client) ?? new Set()
    this.#byClient.set(slot.client, slots)
    this.#leaveSize(slots)
    slots.add(slot)
    this.#enterSize(slots)
    this.#mostSlots = Math.max(this.#mostSlots, slots.size)
  }

  delete(slot: HeldSlot): void {
    const slots = this.#byClient.get(slot.client)
    if (!slots?.has(slot)) return
    this.#leaveSize(slots)
    slots.delete(slot)
    if (slots.size > 0) this.#enterSize(slots)
    else this.#byClient.delete(slot.client)
    if (!this.#bySize.has(this.#mostSlots)) this.#mostSlots--
  }

  /** The slots of the clients that hold the most: of each client, the first one is that to look at next. */
  *ofLargest(): Generator<HeldSlot> {
    for (const slots of this.#bySize.get(this.#mostSlots) ?? []) yield* slots
  }

  /** The slot was looked at: others come before it, also those of other clients. */
  moveToEnd(slot: HeldSlot): void {
    const slots = this.#byClient.get(slot.client)
    if (!slots?.delete(slot)) return
    slots.add(slot)
    const sameSize = this.#bySize.get(slots.size)
    sameSize?.delete(slots)
    sameSize?.add(slots)
  }

  #enterSize(slots: Slots): void {
    const sameSize = this.#bySize.get(slots.size) ?? new Set()
    this.#bySize.set(slots.size, sameSize.add(slots))
  }

  #leaveSize(slots: Slots): void {
    const sameSize = this.#bySize.get(slots.size)
    sameSize?.delete(slots)
    if (sameSize?.size === 0) this.#bySize.delete(slots.size)
  }
}
