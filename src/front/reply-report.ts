import { LineBudget } from '../lib/line-budget.ts'
import type { LoggedKey } from '../observability/logged-keys.ts'
import type { Logger } from '../observability/logger.ts'
import type { ReplyReport } from '../redis/buckets/check-reply.ts'

/** Bounds the log: each call that reads a malformed value reports it. */
const MAX_LINES_PER_SECOND = 10
/** A clock stays wrong until somebody sets it, so a line now and then is enough. */
const CLOCK_LINE_INTERVAL_MS = 60_000

export interface ReplyObserver {
  /** A check found a malformed bucket, which counts as full. */
  malformedBucket(): void
  /** A call found a damaged part of a reservation. */
  damagedReservation(): void
  /** A call left checks of quotas undecided, because the clocks of this process and of the store differ too much. */
  clocksDiffered(): void
}

interface ReplyReportOptions extends Pick<ReplyReport, 'expired'> {
  readonly observer: ReplyObserver
  readonly logger: Logger
  readonly loggedKey: LoggedKey
}

/** Counts and logs malformed buckets and damaged reservations, and calls in which the clocks differed. */
export function replyReport({ observer, expired, logger, loggedKey }: ReplyReportOptions): ReplyReport {
  const now = () => performance.now()
  const bucketLines = new LineBudget(MAX_LINES_PER_SECOND, now)
  const reservationLines = new LineBudget(MAX_LINES_PER_SECOND, now)
  const clockLines = new LineBudget(1, now, CLOCK_LINE_INTERVAL_MS)
  return {
    malformedBucket: key => {
      observer.malformedBucket()
      const suppressed = bucketLines.take()
      if (suppressed === undefined) return
      logger.error(
        { key: loggedKey(key), suppressed: suppressed || undefined },
        'malformed bucket: it counts as full, and the next spending check replaces it',
      )
    },
    damagedReservation: damage => {
      observer.damagedReservation()
      const suppressed = reservationLines.take()
      if (suppressed === undefined) return
      const named = 'key' in damage ? { key: loggedKey(damage.key) } : { reservation: damage.id }
      logger.error(
        { ...named, suppressed: suppressed || undefined },
        'damaged reservation: its record counts as lost, and what it held of a key stays held until the last deadline',
      )
    },
    expired,
    clocksDiffered: () => {
      observer.clocksDiffered()
      if (clockLines.take() === undefined) return
      logger.error(
        'the clocks of this process and of the bucket store differ by more than the period of a quota: its checks count as if the store were unavailable',
      )
    },
  }
}
