/** The result of one check, for each limit of its policy in order. */
export interface BucketReading {
  /** By the limits that are enforced. */
  readonly allowed: boolean
  /** Units spent, after this check. */
  readonly spent: readonly number[]
  /**
   * For each limit, whether it is a shadow limit that would have denied this allowed check. Absent if none would have. Of a check that
   * was denied and charged, whether the limit denied it. Absent of a check that was denied and spent nothing.
   */
  readonly violated?: readonly boolean[]
  /** The tokens that a check was charged although it was denied, the fewest over the enforced limits. Absent of any other check. */
  readonly charged?: number
  /** The period of each limit that has periods. Absent if none has. */
  readonly periods?: readonly (PeriodReading | undefined)[]
  /** How long refill is paused because the clock went back, in ms; part of every waiting time. */
  readonly refillPausedMs: number
  /** What reservations hold of the key, after this check. Absent if it has none. */
  readonly held?: HeldReading
}

/** The sum of a bucket's holds. Times are from now, in ms. */
export interface HeldReading {
  readonly tokens: number
  readonly count: number
  /** At least 1: expired holds that no access has found yet still count. */
  readonly nextExpiryMs: number
  readonly lastExpiryMs: number
}

/** The period in which a limit was read, in ms. */
export interface PeriodReading {
  readonly endsInMs: number
  readonly lengthMs: number
}
