import { ExponentialBackoff, handleWhen, retry } from 'cockatiel'
import { isTransient } from '../src/redis/connection/transient.ts'

/**
 * Does it again for as long as it fails because the store is away or cannot do it now: a command that BullMQ tried again later
 * would be overtaken by its successors.
 */
export function retryWhileUnavailable<T>(attempt: () => Promise<T>): Promise<T> {
  return policy.execute(attempt)
}

const policy = retry(handleWhen(isTransient), {
  maxAttempts: Number.POSITIVE_INFINITY,
  backoff: new ExponentialBackoff({ initialDelay: 50, maxDelay: 1000 }),
})
