/** Runs tasks in their order, a few in each turn of the event loop. */
export class FewPerTurn<Key> {
  readonly #perTurn: number
  readonly #waiting = new Map<Key, () => void>()

  constructor(perTurn: number) {
    this.#perTurn = perTurn
  }

  /** @param key a later task with the same key replaces one that waits */
  add(key: Key, task: () => void): void {
    if (this.#waiting.size === 0) setImmediate(() => this.#runSome())
    this.#waiting.set(key, task)
  }

  delete(key: Key): void {
    this.#waiting.delete(key)
  }

  #runSome(): void {
    let left = this.#perTurn
    for (const [key, task] of this.#waiting) {
      if (left-- === 0) break
      this.#waiting.delete(key)
      task()
    }
    if (this.#waiting.size > 0) setImmediate(() => this.#runSome())
  }
}
