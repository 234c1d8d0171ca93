import { PrefixMap } from '../prefix-map.ts'
import type {
  Descriptor,
  DescriptorEntry,
  DescriptorPattern,
  EntryPattern,
  ValuePattern,
} from './descriptor-pattern.ts'

/**
 * Finds the pattern that matches a descriptor. Entry by entry, an exact value wins over a prefix, the longest prefix over shorter ones, and
 * a prefix over any value; if a choice leads to no match, the next one is tried. So the order of patterns does not matter.
 * A search visits each node once at most.
 */
export class DescriptorTree<T> {
  /** By domain, then by number of entries. */
  readonly #roots = new Map<string, Map<number, Node<T>>>()

  set(pattern: DescriptorPattern, value: T): void {
    let node = this.#rootFor(pattern)
    for (const entry of pattern.entries) node = node.childFor(entry)
    node.value = value
  }

  get(pattern: DescriptorPattern): T | undefined {
    return this.#pathTo(pattern)?.at(-1)?.value
  }

  delete(pattern: DescriptorPattern): void {
    const path = this.#pathTo(pattern)
    if (path === undefined) return
    const [root, ...nodes] = path as [Node<T>, ...Node<T>[]]
    ;(nodes.at(-1) as Node<T>).value = undefined
    for (let depth = nodes.length - 1; depth >= 0 && nodes[depth]?.isEmpty; depth--) {
      const parent = nodes[depth - 1] ?? root
      parent.removeChild(pattern.entries[depth] as EntryPattern)
    }
    if (root.isEmpty) this.#removeRoot(pattern)
  }

  match({ domain, entries }: Descriptor): T | undefined {
    return this.#roots.get(domain)?.get(entries.length)?.match(entries, 0)
  }

  #rootFor({ domain, entries }: DescriptorPattern): Node<T> {
    const ofDomain = this.#roots.get(domain) ?? new Map<number, Node<T>>()
    this.#roots.set(domain, ofDomain)
    const root = ofDomain.get(entries.length) ?? new Node<T>()
    ofDomain.set(entries.length, root)
    return root
  }

  #removeRoot({ domain, entries }: DescriptorPattern): void {
    const ofDomain = this.#roots.get(domain)
    ofDomain?.delete(entries.length)
    if (ofDomain?.size === 0) this.#roots.delete(domain)
  }

  /** The nodes from the root to that of the pattern. */
  #pathTo({ domain, entries }: DescriptorPattern): readonly Node<T>[] | undefined {
    const root = this.#roots.get(domain)?.get(entries.length)
    if (root === undefined) return undefined
    const path = [root]
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
  readonly #children = new Map<string, Children<T>>()

  get isEmpty(): boolean {
    return this.value === undefined && this.#children.size === 0
  }

  child({ key, value }: EntryPattern): Node<T> | undefined {
    return this.#children.get(key)?.get(value)
  }

  childFor({ key, value }: EntryPattern): Node<T> {
    const children = this.#children.get(key) ?? new Children<T>()
    this.#children.set(key, children)
    return children.get(value) ?? children.add(value, new Node<T>())
  }

  removeChild({ key, value }: EntryPattern): void {
    const children = this.#children.get(key)
    children?.remove(value)
    if (children?.isEmpty) this.#children.delete(key)
  }

  match(entries: readonly DescriptorEntry[], depth: number): T | undefined {
    const entry = entries[depth]
    if (entry === undefined) return this.value
    return this.#children.get(entry.key)?.match(entry.value, entries, depth + 1)
  }
}

/** The nodes that follow the patterns of one key. */
class Children<T> {
  readonly #exact = new Map<string, Node<T>>()
  readonly #byPrefix = new PrefixMap<Node<T>>()
  #any: Node<T> | undefined

  get isEmpty(): boolean {
    return this.#exact.size === 0 && this.#byPrefix.size === 0 && this.#any === undefined
  }

  get({ exact, prefix }: ValuePattern): Node<T> | undefined {
    if (exact !== undefined) return this.#exact.get(exact)
    return prefix === undefined ? this.#any : this.#byPrefix.get(prefix)
  }

  add({ exact, prefix }: ValuePattern, node: Node<T>): Node<T> {
    if (exact !== undefined) this.#exact.set(exact, node)
    else if (prefix !== undefined) this.#byPrefix.set(prefix, node)
    else this.#any = node
    return node
  }

  remove({ exact, prefix }: ValuePattern): void {
    if (exact !== undefined) this.#exact.delete(exact)
    else if (prefix !== undefined) this.#byPrefix.delete(prefix)
    else this.#any = undefined
  }

  /** Searches what follows the nodes that match a value, the most specific first. @param depth of their children */
  match(value: string, entries: readonly DescriptorEntry[], depth: number): T | undefined {
    return (
      this.#exact.get(value)?.match(entries, depth) ??
      this.#matchByPrefix(value, entries, depth) ??
      this.#any?.match(entries, depth)
    )
  }

  #matchByPrefix(value: string, entries: readonly DescriptorEntry[], depth: number): T | undefined {
    if (this.#byPrefix.size === 0) return undefined
    for (const node of this.#byPrefix.all(value)) {
      const found = node.match(entries, depth)
      if (found !== undefined) return found
    }
    return undefined
  }
}
