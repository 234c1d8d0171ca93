/** The pairs of a flat reply, such as fields and their values. */
export function inPairs<T>(flat: readonly T[]): [T, T][] {
  const pairs: [T, T][] = []
  for (let i = 0; i + 1 < flat.length; i += 2) pairs.push([flat[i] as T, flat[i + 1] as T])
  return pairs
}
