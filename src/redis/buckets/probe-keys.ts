import { BUCKET_PARTITIONS, bucketPartition } from '../../domain/partition.ts'

/** A control character, which no caller's key may contain. */
const NOBODYS = '\u0001'

/** For each partition a key whose bucket would live there. */
const probeKeys = new Map<number, string>()
for (let i = 0; probeKeys.size < BUCKET_PARTITIONS; i++) {
  const key = `${NOBODYS}${i}`
  const partition = bucketPartition(key)
  if (!probeKeys.has(partition)) probeKeys.set(partition, key)
}

export function probeKeyIn(partition: number): string {
  return probeKeys.get(partition) as string
}
