/** How a batch of checks is put to `lua/check.lua`, and what its answer means. */
import type { BucketCheck } from '../check/ports.ts'
import type { Policy } from '../domain/policy.ts'
import type { BucketReading } from '../domain/token-bucket.ts'

/** What ioredis makes of an integer, or a string where it could not read the integer exactly. */
export type Units = number | string

/** The script as a command of ioredis. */
export type CheckCommand = (numberOfKeys: number, ...keysAndArguments: string[]) => Promise<Units[]>

type Limits = Policy['limits']

/** The script's ARGV: runs of checks that ask the same limits for as many tokens, then the limits. Equal policies share them. */
export function encode(checks: readonly BucketCheck[]): string[] {
  const numbers = new Map<Limits, number>()
  const runs: string[] = []
  for (let start = 0; start < checks.length; ) {
    const { policy, tokens } = checks[start] as BucketCheck
    const { limits } = policy
    let end = start + 1
    while (checks[end]?.policy.limits === limits && checks[end]?.tokens === tokens) end++
    const number = numbers.get(limits) ?? numbers.size + 1
    numbers.set(limits, number)
    runs.push(`${number} ${tokens} ${end - start}`)
    start = end
  }
  return [runs.join(' '), ...Array.from(numbers.keys(), encodedLimits)]
}

const encodings = new WeakMap<Limits, string>()

function encodedLimits(limits: Limits): string {
  const known = encodings.get(limits)
  if (known !== undefined) return known
  const encoded = limits
    .map(({ id, unit, unitsPerMs, capacityUnits, capacity }) =>
      [id, unit, unitsPerMs, capacityUnits, capacity].join(' '),
    )
    .join(' ')
  encodings.set(limits, encoded)
  return encoded
}

export function decode(checks: readonly BucketCheck[], reply: readonly Units[]): readonly BucketReading[] {
  let at = 0
  const readings: BucketReading[] = []
  for (const { policy } of checks) {
    const from = at
    at += policy.limits.length
    readings.push(decodeReading(reply, from, at))
  }
  while (at < reply.length) {
    const index = Number(reply[at++]) - 1
    readings[index] = { ...(readings[index] as BucketReading), pauseMs: Number(reply[at++]) }
  }
  return readings
}

/** A denied check's units come as −1 − units, which is below 0 even when nothing was spent. */
function decodeReading(reply: readonly Units[], from: number, to: number): BucketReading {
  const allowed = Number(reply[from]) >= 0
  const spent: number[] = []
  for (let i = from; i < to; i++) spent.push(allowed ? Number(reply[i]) : -1 - Number(reply[i]))
  return { allowed, spent, pauseMs: 0 }
}
