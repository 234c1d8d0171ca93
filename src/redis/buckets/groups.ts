/** The indexes of the items, in groups, each in the order of the items. */
export function indexesBy<Item, K>(items: readonly Item[], groupOf: (item: Item) => K): readonly number[][] {
  const groups = new Map<K, number[]>()
  for (const [index, item] of items.entries()) {
    const group = groupOf(item)
    const indexes = groups.get(group)
    if (indexes === undefined) groups.set(group, [index])
    else indexes.push(index)
  }
  return [...groups.values()]
}

/** Writes the results of a group to where its items stand among all. */
export function place<Result>(
  results: (Result | undefined)[],
  indexes: readonly number[],
  ofGroup: readonly (Result | undefined)[],
): void {
  for (const [i, index] of indexes.entries()) results[index] = ofGroup[i]
}

export function pick<Item>(items: readonly Item[], indexes: readonly number[]): readonly Item[] {
  return indexes.map(index => items[index] as Item)
}
