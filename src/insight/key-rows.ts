import { randomInt } from 'node:crypto'

/** Slots for each key that there can be. The fewer are taken, the shorter a search is. */
const SLOTS_PER_KEY = 2

/** In a slot: the hash of a key, and its row + 1; 0 if the slot is free. */
const SLOT_WIDTH = 2

const HALF_OF_INT32 = 2 ** 30
const MAX_INT32 = 2 ** 31

/**
 * Numbers keys from 0 on, in the order in which they come: a hash table with open addressing. A search for one of thousands of keys mostly
 * waits for memory. This table reads less of it than a `Map`, and what it reads does not depend on what it read before.
 */
export class KeyRows {
  readonly #keys: string[] = []
  readonly #slots: Int32Array
  readonly #lastSlot: number
  /** Secret, so that nobody can choose keys whose search takes long. */
  readonly #seed = randomInt(MAX_INT32)
  /** Odd, so that no bit of a hash is lost, and large, so that each bit of a character reaches the upper ones. */
  readonly #multiplier = randomInt(HALF_OF_INT32, MAX_INT32) | 1

  /** @param capacity a power of two */
  constructor(capacity: number) {
    this.#slots = new Int32Array(capacity * SLOTS_PER_KEY * SLOT_WIDTH)
    this.#lastSlot = capacity * SLOTS_PER_KEY - 1
  }

  get size(): number {
    return this.#keys.length
  }

  /** The row of a key; -1 if it has none. */
  find(key: string): number {
    return (this.#slots[this.#cellOf(key, this.#hashOf(key)) + 1] as number) - 1
  }

  /** Gives a key that has no row the next one. There must be fewer keys than the capacity. */
  append(key: string): number {
    const hash = this.#hashOf(key)
    const cell = this.#cellOf(key, hash)
    this.#slots[cell] = hash
    this.#slots[cell + 1] = this.#keys.push(key)
    return this.#keys.length - 1
  }

  keyOf(row: number): string {
    return this.#keys[row] as string
  }

  /** Forgets all keys but those of some rows, and numbers these anew in the order given. */
  keep(rows: readonly number[]): void {
    const kept = rows.map(row => this.keyOf(row))
    this.#keys.length = 0
    this.#slots.fill(0)
    for (const key of kept) this.append(key)
  }

  /** Where the slot begins that has the key, or that is to have it. */
  #cellOf(key: string, hash: number): number {
    for (let slot = hash & this.#lastSlot; ; slot = (slot + 1) & this.#lastSlot) {
      const cell = slot * SLOT_WIDTH
      const rowPlusOne = this.#slots[cell + 1] as number
      if (rowPlusOne === 0 || (this.#slots[cell] === hash && this.#keys[rowPlusOne - 1] === key)) return cell
    }
  }

  #hashOf(key: string): number {
    let hash = this.#seed
    for (let i = 0; i < key.length; i++) {
      hash = Math.imul(hash ^ key.charCodeAt(i), this.#multiplier)
      hash ^= hash >>> 15
    }
    return hash
  }
}
