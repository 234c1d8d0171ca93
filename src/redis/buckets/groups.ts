import type { BucketCheck } from '../../check/ports.ts'

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

export function pick(checks: readonly BucketCheck[], indexes: readonly number[]): readonly BucketCheck[] {
  return indexes.map(index => checks[index] as BucketCheck)
}
