import { BUCKET_PARTITIONS, bucketPartition } from '../../domain/partition.ts'

/** A control character, which callers' keys may not contain. */
const RESERVED = '\u0001'

/** One key for each partition. */
const probeKeys = new Map<number, string>()
for (let i = 0; probeKeys.size < BUCKET_PARTITIONS; i++) {
  const key = `${RESERVED}${i}`
  const partition = bucketPartition(key)
  if (!probeKeys.has(partition)) probeKeys.set(partition, key)
}

export function probeKeyIn(partition: number): string {
  return probeKeys.get(partition) as string
}
