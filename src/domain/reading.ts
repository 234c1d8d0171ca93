/** The result of one check, for each limit of its policy in order. */
export interface BucketReading {
  readonly allowed: boolean
  /** Units spent, after this check. */
  readonly spent: readonly number[]
  /** How long refill is paused because the clock went back, in ms; part of every waiting time. */
  readonly refillPausedMs: number
}
