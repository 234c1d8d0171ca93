import { withDeadline } from '../../lib/deadline.ts'
import type { RedisClient } from '../connection/connection.ts'
import { failureReasonOf } from '../connection/failure-reason.ts'
import { probeWrites } from './probe-writes.ts'

/** Returns a function that resolves with the reason why the policy store is unavailable, or `undefined` if it accepts writes. */
export function policyStoreInspection(
  redis: RedisClient,
  { keyPrefix, timeoutMs }: { readonly keyPrefix: string; readonly timeoutMs: number },
): () => Promise<string | undefined> {
  const reasonOf = failureReasonOf(redis)
  return async () => {
    // Without a connection, a worker's commands would wait in its memory.
    if (redis.status !== 'ready') return reasonOf(undefined)
    return withDeadline(probeWrites(redis, keyPrefix), timeoutMs).then(() => undefined, reasonOf)
  }
}
