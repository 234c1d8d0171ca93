import { ExponentialBackoff, handleWhen, retry } from 'cockatiel'
import { isTransient } from '../src/redis/connection/transient.ts'

/**
 * Retries for as long as the store is unavailable or temporarily refuses. A retry by BullMQ would run after later commands of the
 * same key.
 */
export function retryWhileUnavailable<T>(attempt: () => Promise<T>): Promise<T> {
  return policy.execute(attempt)
}

const policy = retry(handleWhen(isTransient), {
  maxAttempts: Number.POSITIVE_INFINITY,
  backoff: new ExponentialBackoff({ initialDelay: 50, maxDelay: 500 }),
})
