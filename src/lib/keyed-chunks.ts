/** So many keys in one call of the store, which keeps it busy for well below a millisecond. */
const KEYS_A_CALL = 500

export function* inChunks<T>(items: Iterable<T>): Generator<readonly T[]> {
  let chunk: T[] = []
  for (const item of items) {
    chunk.push(item)
    if (chunk.length < KEYS_A_CALL) continue
    yield chunk
    chunk = []
  }
  if (chunk.length > 0) yield chunk
}
