/** Partitions of the buckets. Recorded in the policy store, since another number would move every bucket. */
export const BUCKET_PARTITIONS = 64

/** Partitions of the config keys, each with a queue and an event log. */
export const CONFIG_PARTITIONS = 4

/** The partition of a key's bucket, decided by the key's hash tag if it has one. */
export function bucketPartition(key: string): number {
  const open = key.indexOf('{')
  if (open !== -1) {
    const close = key.indexOf('}', open + 1)
    if (close > open + 1) return hash(key, open + 1, close) % BUCKET_PARTITIONS
  }
  return hash(key, 0, key.length) % BUCKET_PARTITIONS
}

/**
 * The text that decides where the bucket of a key is stored: what is between the first `{` and the next `}`, or else the whole key.
 * On Redis Cluster, only keys with the same text are certainly stored together.
 * @see https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-tags
 */
export function hashTagOf(key: string): string {
  const open = key.indexOf('{')
  const close = key.indexOf('}', open + 1)
  return open !== -1 && close > open + 1 ? key.slice(open + 1, close) : key
}

/** Whether the buckets of these keys are certainly stored together. */
export function haveOneHashTag(keys: readonly string[]): boolean {
  return new Set(keys.map(hashTagOf)).size <= 1
}

/** The partition of a config key. */
export function configPartition(configKey: string): number {
  return hash(configKey, 0, configKey.length) % CONFIG_PARTITIONS
}

/**
 * 32-bit FNV-1a over UTF-16 code units. MurmurHash3's finalizer makes the low bits as good as the high ones.
 * @see https://datatracker.ietf.org/doc/html/draft-eastlake-fnv
 */
export function hash(text: string, from: number, to: number): number {
  let h = 0x811c9dc5
  for (let i = from; i < to; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193)
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}
