const NS_PER_MS = 1_000_000n

/** A monotonic clock, in whole ms. Unlike `performance.now()`, it is the same for all processes of a machine. */
export function machineNow(): number {
  return Number(process.hrtime.bigint() / NS_PER_MS)
}
