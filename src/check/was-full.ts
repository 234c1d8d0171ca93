import type { BucketReading } from '../domain/reading.ts'
import type { BucketCheck } from './ports.ts'

/** Whether nothing was spent of the enforced limits before a check. @param tokens what the check itself spent */
export function wasFull({ policy }: Pick<BucketCheck, 'policy'>, { spent }: BucketReading, tokens: number): boolean {
  return policy.limits.every(({ unitsPerToken, isShadow }, i) => isShadow || spent[i] === tokens * unitsPerToken)
}
