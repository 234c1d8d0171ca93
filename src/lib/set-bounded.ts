/** Sets an entry as the newest of a map, and deletes the oldest one where there are more than `maxEntries`. */
export function setBounded<Key, Value>(map: Map<Key, Value>, key: Key, value: Value, maxEntries: number): void {
  // The only entry is the newest. Deleting it would leave V8's table of the map behind.
  if (map.size > 1) map.delete(key)
  map.set(key, value)
  if (map.size <= maxEntries) return
  for (const oldest of map.keys()) {
    map.delete(oldest)
    return
  }
}
