/** The part of the entries that is evicted at once. */
const EVICTED_PART = 1 / 100

/**
 * Sets an entry as the newest of a map. Beyond `maxEntries`, evicts the oldest hundredth at once: to find the oldest entry, V8 walks over all
 * those that were deleted before it. An iterator that is kept would spare the walk, but keep outgrown tables of the map in memory.
 */
export function setBounded<Key, Value>(map: Map<Key, Value>, key: Key, value: Value, maxEntries: number): void {
  // The only entry is the newest. Deleting it would leave V8's table of the map behind.
  if (map.size > 1) map.delete(key)
  map.set(key, value)
  if (map.size > maxEntries) evictOldest(map, Math.ceil(maxEntries * EVICTED_PART))
}

function evictOldest<Key>(map: Map<Key, unknown>, count: number): void {
  let left = count
  for (const oldest of map.keys()) {
    if (left-- === 0) return
    map.delete(oldest)
  }
}
