const NS_PER_MS = 1_000_000n

/** A monotonic clock, in whole ms, that is the same for all processes of the machine; `performance.now()` begins anew in each. */
export function machineNow(): number {
  return Number(process.hrtime.bigint() / NS_PER_MS)
}
