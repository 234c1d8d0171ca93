/** Something that answers checks. */
export interface MeasuredProcess {
  readonly port: number
  /** Every process whose CPU counts as the front's. */
  readonly pids: readonly number[]
  /** The one that answers. */
  readonly frontPid: number
  stop(): Promise<void>
}
