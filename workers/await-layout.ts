import type { Logger } from '../src/observability/logger.ts'
import { refusalReport } from '../src/observability/refusal-report.ts'
import type { RedisClient } from '../src/redis/connection/connection.ts'
import { reasonOf } from '../src/redis/connection/connection-report.ts'
import { isDenied } from '../src/redis/connection/failure-reason.ts'
import { isTransient } from '../src/redis/connection/transient.ts'
import { claimLayout } from '../src/redis/policies/layout.ts'
import { retryWhileUnavailable } from './retry-while-unavailable.ts'

/**
 * Claims the layout, as soon as the store is available and permits it. Until then, the worker must apply no changes: the store may have
 * been filled with another layout.
 * @throws {LayoutMismatch}
 */
export async function awaitLayout(
  redis: RedisClient,
  { keyPrefix, logger }: { readonly keyPrefix: string; readonly logger: Logger },
): Promise<void> {
  const report = refusalReport(logger, {
    refused: 'the layout of the policy store cannot be checked: until it can, this worker applies no changes',
    accepted: 'the layout of the policy store has been checked: this worker applies changes',
  })
  const isTemporary = (err: Error) => {
    if (isDenied(err)) report(reasonOf(err))
    return isDenied(err) || isTransient(err)
  }
  await retryWhileUnavailable(() => claimLayout(redis, keyPrefix), isTemporary)
  report(undefined)
}
