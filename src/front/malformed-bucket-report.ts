import { LineBudget } from '../lib/line-budget.ts'
import type { LoggedKey } from '../observability/logged-keys.ts'
import type { Logger } from '../observability/logger.ts'
import type { OnMalformedBucket } from '../redis/buckets/check-reply.ts'

/** Bounds the log: each check that reads a malformed bucket reports it. */
const MAX_LINES_PER_SECOND = 10

export interface MalformedBucketObserver {
  /** A check found a malformed bucket, which counts as full. */
  malformedBucket(): void
}

interface MalformedBucketReportOptions {
  readonly observer: MalformedBucketObserver
  readonly logger: Logger
  readonly loggedKey: LoggedKey
}

/** Counts malformed buckets, and logs their keys. */
export function malformedBucketReport(options: MalformedBucketReportOptions): OnMalformedBucket {
  const { observer, logger, loggedKey } = options
  const lines = new LineBudget(MAX_LINES_PER_SECOND, () => performance.now())
  return key => {
    observer.malformedBucket()
    const suppressed = lines.take()
    if (suppressed === undefined) return
    logger.error(
      { key: loggedKey(key), suppressed: suppressed || undefined },
      'malformed bucket: it counts as full, and the next spending check replaces it',
    )
  }
}
