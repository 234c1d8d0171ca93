import { withDeadline } from '../../lib/deadline.ts'
import type { RedisClient } from '../connection/connection.ts'
import { failureReasonOf } from '../connection/failure-reason.ts'
import { type WriteProbeOptions, writeProbe } from './probe-writes.ts'

/** Returns a function that resolves with the reason why the policy store is unavailable, or `undefined` if it accepts changes. */
export function policyStoreInspection(
  redis: RedisClient,
  { timeoutMs, ...probe }: WriteProbeOptions & { readonly timeoutMs: number },
): () => Promise<string | undefined> {
  const reasonOf = failureReasonOf(redis)
  const probeWrites = writeProbe(redis, probe)
  return async () => {
    // Without a connection, a worker's commands would wait in its memory.
    if (redis.status !== 'ready') return reasonOf(undefined)
    return withDeadline(probeWrites(), timeoutMs).then(() => undefined, reasonOf)
  }
}
