import { ExponentialBackoff, handleWhen, retry } from 'cockatiel'
import { isTransient } from '../src/redis/connection/transient.ts'

/**
 * Retries for as long as the store is unavailable or temporarily refuses. A retry by BullMQ would run after later commands of the
 * same key.
 * @param isTemporary whether to retry after this error
 */
export function retryWhileUnavailable<T>(attempt: () => Promise<T>, isTemporary = isTransient): Promise<T> {
  return retry(handleWhen(isTemporary), RETRIES).execute(attempt)
}

const RETRIES = {
  maxAttempts: Number.POSITIVE_INFINITY,
  backoff: new ExponentialBackoff({ initialDelay: 50, maxDelay: 500 }),
}
