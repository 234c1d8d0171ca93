import type { DescriptorEntry, EntryPattern } from '../domain/descriptors/descriptor-pattern.ts'
import { PrefixNodes } from './prefix-nodes.ts'

interface WithPattern {
  readonly pattern: EntryPattern
}

/** Nodes that can follow the same node, and how each of the two services chooses among them. */
export class Siblings<Node extends WithPattern> {
  readonly #nodes: Node[] = []
  readonly #byKey = new Map<string, OfKey<Node>>()

  /** In the order of the file. */
  get all(): readonly Node[] {
    return this.#nodes
  }

  /** Returns false, and adds nothing, if there is one with the same pattern. */
  add(node: Node): boolean {
    const { key, value } = node.pattern
    const ofKey: OfKey<Node> = this.#byKey.get(key) ?? { exact: new Map(), prefixes: new PrefixNodes(), any: undefined }
    this.#byKey.set(key, ofKey)
    if (value.exact !== undefined) {
      if (ofKey.exact.has(value.exact)) return false
      ofKey.exact.set(value.exact, node)
    } else if (value.prefix !== undefined) {
      if (!ofKey.prefixes.add(value.prefix, node)) return false
    } else {
      if (ofKey.any !== undefined) return false
      ofKey.any = node
    }
    this.#nodes.push(node)
    return true
  }

  /** The node that the reference goes on with: an exact value, else the first prefix in the order of the file, else any value. */
  greedyMatch({ key, value }: DescriptorEntry): Node | undefined {
    const ofKey = this.#byKey.get(key)
    return ofKey && (ofKey.exact.get(value) ?? ofKey.prefixes.firstMatch(value) ?? ofKey.any)
  }

  /** The nodes that Throttler tries, in this order: an exact value, the longest prefix, shorter ones, any value. */
  matches({ key, value }: DescriptorEntry): readonly Node[] {
    const ofKey = this.#byKey.get(key)
    if (ofKey === undefined) return []
    return [ofKey.exact.get(value), ...ofKey.prefixes.matches(value), ofKey.any].filter(node => node !== undefined)
  }
}

interface OfKey<Node> {
  readonly exact: Map<string, Node>
  readonly prefixes: PrefixNodes<Node>
  any: Node | undefined
}
