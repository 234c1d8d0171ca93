import { PrefixMap } from '../prefix-map.ts'
import type { ValuePattern } from './descriptor-pattern.ts'

/** Items by the patterns of the values of one key. */
export class ValuePatterns<T> {
  readonly #exact = new Map<string, T>()
  readonly #byPrefix = new PrefixMap<T>()
  #any: T | undefined

  get isEmpty(): boolean {
    return this.#exact.size === 0 && this.#byPrefix.size === 0 && this.#any === undefined
  }

  get({ exact, prefix }: ValuePattern): T | undefined {
    if (exact !== undefined) return this.#exact.get(exact)
    return prefix === undefined ? this.#any : this.#byPrefix.get(prefix)
  }

  set({ exact, prefix }: ValuePattern, item: T): void {
    if (exact !== undefined) this.#exact.set(exact, item)
    else if (prefix !== undefined) this.#byPrefix.set(prefix, item)
    else this.#any = item
  }

  delete({ exact, prefix }: ValuePattern): void {
    if (exact !== undefined) this.#exact.delete(exact)
    else if (prefix !== undefined) this.#byPrefix.delete(prefix)
    else this.#any = undefined
  }

  /** The first result for the items whose patterns match a value, the most specific first. */
  find<R>(value: string, resultOf: (item: T) => R | undefined): R | undefined {
    const exact = this.#exact.get(value)
    const found = (exact === undefined ? undefined : resultOf(exact)) ?? this.#findByPrefix(value, resultOf)
    return found ?? (this.#any === undefined ? undefined : resultOf(this.#any))
  }

  #findByPrefix<R>(value: string, resultOf: (item: T) => R | undefined): R | undefined {
    if (this.#byPrefix.size === 0) return undefined
    for (const item of this.#byPrefix.all(value)) {
      const found = resultOf(item)
      if (found !== undefined) return found
    }
    return undefined
  }

  /** Whether any pattern matches a value. */
  matches(value: string): boolean {
    return this.#exact.has(value) || this.#any !== undefined || this.#byPrefix.longest(value) !== undefined
  }
}
