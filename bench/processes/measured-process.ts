/** Something that answers checks. */
export interface MeasuredProcess {
  readonly port: number
  /** The port of RESP, if it has one. */
  readonly respPort?: number
  /** The port of gRPC, if it has another one for it. */
  readonly grpcPort?: number
  /** Every process whose CPU counts as the front's. */
  readonly pids: readonly number[]
  /** The one that answers. */
  readonly frontPid: number
  stop(): Promise<void>
}
