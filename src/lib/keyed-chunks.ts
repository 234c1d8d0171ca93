/** Keys in one store call, which takes well below a millisecond. */
const KEYS_PER_CALL = 500

export function* inChunks<T>(items: Iterable<T>): Generator<readonly T[]> {
  let chunk: T[] = []
  for (const item of items) {
    chunk.push(item)
    if (chunk.length < KEYS_PER_CALL) continue
    yield chunk
    chunk = []
  }
  if (chunk.length > 0) yield chunk
}
