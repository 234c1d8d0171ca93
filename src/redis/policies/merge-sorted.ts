/** Merges sorted sequences into one. */
export async function* mergeSorted<T>(
  sources: readonly AsyncGenerator<T>[],
  compare: (a: T, b: T) => number,
): AsyncGenerator<T> {
  const heads = await Promise.all(sources.map(source => source.next()))
  for (;;) {
    let least = -1
    for (const [i, { done, value }] of heads.entries()) {
      if (!done && (least === -1 || compare(value, heads[least]?.value) < 0)) least = i
    }
    const head = heads[least]
    const source = sources[least]
    if (head === undefined || source === undefined) return
    yield head.value
    heads[least] = await source.next()
  }
}

export async function* inChunks<T>(source: AsyncIterable<T>, size: number): AsyncGenerator<readonly T[]> {
  let chunk: T[] = []
  for await (const item of source) {
    chunk.push(item)
    if (chunk.length < size) continue
    yield chunk
    chunk = []
  }
  if (chunk.length > 0) yield chunk
}
