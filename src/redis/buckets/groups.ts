import type { BucketCheck } from '../../check/ports.ts'
import type { BucketReading } from '../../domain/reading.ts'
import type { Readings } from './check-reply.ts'

/** The indexes of the checks, in groups, each in the order of the checks. */
export function indexesBy<K>(checks: readonly BucketCheck[], groupOf: (check: BucketCheck) => K): readonly number[][] {
  const groups = new Map<K, number[]>()
  for (const [index, check] of checks.entries()) {
    const group = groupOf(check)
    const indexes = groups.get(group)
    if (indexes === undefined) groups.set(group, [index])
    else indexes.push(index)
  }
  return [...groups.values()]
}

/** Writes the readings of a group to where its checks stand among all. */
export function place(readings: (BucketReading | undefined)[], indexes: readonly number[], ofGroup: Readings): void {
  for (const [i, index] of indexes.entries()) readings[index] = ofGroup[i]
}

export function pick(checks: readonly BucketCheck[], indexes: readonly number[]): readonly BucketCheck[] {
  return indexes.map(index => checks[index] as BucketCheck)
}
