import type { BucketReading } from '../domain/reading.ts'
import type { BucketCheck } from './ports.ts'

/** Whether nothing was spent of the enforced limits, and nothing held, before a check. @param tokens what the check itself spent */
export function wasFull({ policy }: Pick<BucketCheck, 'policy'>, reading: BucketReading, tokens: number): boolean {
  const { spent, held } = reading
  if (held !== undefined) return false
  return policy.limits.every(
    ({ unitsPerToken, isShadow, isSpent }, i) => isShadow || !isSpent || spent[i] === tokens * unitsPerToken,
  )
}
