import type { BucketReading } from '../domain/reading.ts'
import type { LocalBuckets } from './local-buckets.ts'
import type { BucketCheck } from './ports.ts'

/** Updates a key's share after the store has answered a check of the key. @param tokens what the check itself spent */
export function noteAnswer(
  localBuckets: Pick<LocalBuckets, 'answered' | 'foundFull'>,
  check: BucketCheck,
  reading: BucketReading,
  tokens: number,
): void {
  localBuckets.answered(check.key)
  if (wasFull(check, reading, tokens)) localBuckets.foundFull(check)
}

/** Whether nothing was spent of the enforced limits, and nothing held, before a check. */
function wasFull({ policy }: Pick<BucketCheck, 'policy'>, reading: BucketReading, tokens: number): boolean {
  const { spent, held } = reading
  if (held !== undefined) return false
  return policy.limits.every(
    ({ unitsPerToken, isShadow, isSpent }, i) => isShadow || !isSpent || spent[i] === tokens * unitsPerToken,
  )
}
