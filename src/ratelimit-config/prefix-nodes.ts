interface Placed<Node> {
  readonly node: Node
  /** In the order of the file. */
  readonly position: number
}

/** Nodes by the prefix of their values. A look-up takes a step for each length of the prefixes, however many there are. */
export class PrefixNodes<Node> {
  readonly #byPrefix = new Map<string, Placed<Node>>()
  /** Those of the prefixes, the largest first. */
  #lengths: readonly number[] = []

  /** Returns false, and adds nothing, if there is a node with the same prefix. */
  add(prefix: string, node: Node): boolean {
    if (this.#byPrefix.has(prefix)) return false
    this.#byPrefix.set(prefix, { node, position: this.#byPrefix.size })
    const { length } = prefix
    if (!this.#lengths.includes(length)) this.#lengths = [...this.#lengths, length].sort((a, b) => b - a)
    return true
  }

  /** The nodes whose prefix a value has, the longest prefix first. */
  matches(value: string): readonly Node[] {
    return this.#placedOf(value).map(({ node }) => node)
  }

  /** The first of them in the order of the file. */
  firstMatch(value: string): Node | undefined {
    const [first] = this.#placedOf(value).sort((a, b) => a.position - b.position)
    return first?.node
  }

  #placedOf(value: string): Placed<Node>[] {
    const lengths = this.#lengths.filter(length => length <= value.length)
    return lengths.flatMap(length => this.#byPrefix.get(value.slice(0, length)) ?? [])
  }
}
