/**
 * Values by prefix. A search costs one map access for each *length* of prefix in use, however many prefixes there are.
 */
export class PrefixMap<T> {
  readonly #values = new Map<string, T>()
  /** The number of prefixes of each length, in UTF-16 units. */
  readonly #lengths = new Map<number, number>()
  #lengthsDescending: readonly number[] = []

  get size(): number {
    return this.#values.size
  }

  get(prefix: string): T | undefined {
    return this.#values.get(prefix)
  }

  set(prefix: string, value: T): void {
    if (!this.#values.has(prefix)) this.#count(prefix.length, 1)
    this.#values.set(prefix, value)
  }

  delete(prefix: string): void {
    if (this.#values.delete(prefix)) this.#count(prefix.length, -1)
  }

  values(): Iterable<T> {
    return this.#values.values()
  }

  /** The value of the longest prefix of a text. */
  longest(text: string): T | undefined {
    for (const length of this.#lengthsDescending) {
      if (length > text.length) continue
      const value = this.#values.get(text.slice(0, length))
      if (value !== undefined) return value
    }
    return undefined
  }

  /** The values of all prefixes of a text, the longest first. */
  *all(text: string): Iterable<T> {
    for (const length of this.#lengthsDescending) {
      const value = length > text.length ? undefined : this.#values.get(text.slice(0, length))
      if (value !== undefined) yield value
    }
  }

  #count(length: number, change: 1 | -1): void {
    const count = (this.#lengths.get(length) ?? 0) + change
    if (count === 0) this.#lengths.delete(length)
    else this.#lengths.set(length, count)
    if (count === 0 || (count === 1 && change === 1)) {
      this.#lengthsDescending = [...this.#lengths.keys()].sort((a, b) => b - a)
    }
  }
}
