import type { Descriptor, DescriptorEntry, DescriptorPattern, EntryPattern } from './descriptor-pattern.ts'
import { EntryCounts } from './entry-counts.ts'
import { ValuePatterns } from './value-patterns.ts'

/**
 * Finds the pattern that matches a descriptor. Entry by entry, an exact value wins over a prefix, the longest prefix over shorter ones, and
 * a prefix over any value; if a choice leads to no match, the next one is tried. So the order of patterns does not matter.
 * A search visits each node once at most. It ends at once if a later entry matches no pattern of any policy: otherwise, a caller could make
 * it visit every node.
 */
export class DescriptorTree<T> {
  /** By domain, then by number of entries. */
  readonly #roots = new Map<string, Map<number, Root<T>>>()

  set(pattern: DescriptorPattern, value: T): void {
    this.#rootFor(pattern).set(pattern.entries, value)
  }

  get({ domain, entries }: DescriptorPattern): T | undefined {
    return this.#roots.get(domain)?.get(entries.length)?.get(entries)
  }

  delete({ domain, entries }: DescriptorPattern): void {
    const ofDomain = this.#roots.get(domain)
    const root = ofDomain?.get(entries.length)
    root?.delete(entries)
    if (root?.isEmpty) ofDomain?.delete(entries.length)
    if (ofDomain?.size === 0) this.#roots.delete(domain)
  }

  match({ domain, entries }: Descriptor): T | undefined {
    return this.#roots.get(domain)?.get(entries.length)?.match(entries)
  }

  #rootFor({ domain, entries }: DescriptorPattern): Root<T> {
    const ofDomain = this.#roots.get(domain) ?? new Map<number, Root<T>>()
    this.#roots.set(domain, ofDomain)
    const root = ofDomain.get(entries.length) ?? new Root<T>(entries.length)
    ofDomain.set(entries.length, root)
    return root
  }
}

/** The patterns of a domain with the same number of entries. */
class Root<T> {
  readonly #node = new Node<T>()
  /** Of the second entry, the third, and so on. A search begins with the first entry anyway. */
  readonly #laterCounts: readonly EntryCounts[]

  constructor(entries: number) {
    this.#laterCounts = Array.from({ length: entries - 1 }, () => new EntryCounts())
  }

  get isEmpty(): boolean {
    return this.#node.isEmpty
  }

  get(entries: readonly EntryPattern[]): T | undefined {
    return this.#pathTo(entries)?.at(-1)?.value
  }

  set(entries: readonly EntryPattern[], value: T): void {
    let node = this.#node
    for (const entry of entries) node = node.childFor(entry)
    if (node.value === undefined) {
      for (const [i, counts] of this.#laterCounts.entries()) counts.add(entries[i + 1] as EntryPattern)
    }
    node.value = value
  }

  delete(entries: readonly EntryPattern[]): void {
    const path = this.#pathTo(entries)
    const last = path?.at(-1)
    if (path === undefined || last?.value === undefined) return
    last.value = undefined
    for (const [i, counts] of this.#laterCounts.entries()) counts.remove(entries[i + 1] as EntryPattern)
    for (let depth = entries.length; depth > 0 && path[depth]?.isEmpty; depth--) {
      path[depth - 1]?.removeChild(entries[depth - 1] as EntryPattern)
    }
  }

  match(entries: readonly DescriptorEntry[]): T | undefined {
    for (let i = 1; i < entries.length; i++) {
      if (!this.#laterCounts[i - 1]?.matches(entries[i] as DescriptorEntry)) return undefined
    }
    return this.#node.match(entries, 0)
  }

  /** The nodes from the root to that of the pattern. */
  #pathTo(entries: readonly EntryPattern[]): readonly Node<T>[] | undefined {
    const path = [this.#node]
    for (const entry of entries) {
      const next = path.at(-1)?.child(entry)
      if (next === undefined) return undefined
      path.push(next)
    }
    return path
  }
}

/** What follows an entry. */
class Node<T> {
  value: T | undefined
  readonly #children = new Map<string, ValuePatterns<Node<T>>>()

  get isEmpty(): boolean {
    return this.value === undefined && this.#children.size === 0
  }

  child({ key, value }: EntryPattern): Node<T> | undefined {
    return this.#children.get(key)?.get(value)
  }

  childFor({ key, value }: EntryPattern): Node<T> {
    const children = this.#children.get(key) ?? new ValuePatterns<Node<T>>()
    this.#children.set(key, children)
    const child = children.get(value) ?? new Node<T>()
    children.set(value, child)
    return child
  }

  removeChild({ key, value }: EntryPattern): void {
    const children = this.#children.get(key)
    children?.delete(value)
    if (children?.isEmpty) this.#children.delete(key)
  }

  match(entries: readonly DescriptorEntry[], depth: number): T | undefined {
    const entry = entries[depth]
    if (entry === undefined) return this.value
    return this.#children.get(entry.key)?.find(entry.value, child => child.match(entries, depth + 1))
  }
}
