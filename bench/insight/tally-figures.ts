import type { Decision } from '../../src/domain/decision.ts'
import { KeyTally } from '../../src/insight/key-tally.ts'
import { detached } from '../../src/lib/detached.ts'
import { decisionOf } from '../../test/support/decisions.ts'
import { POLICY } from '../policy.ts'

const CHECKS = 1_000_000

export interface TallyFigures {
  /** What the counts of a process take. */
  readonly megabytes: number
  /** CPU of counting one check. */
  readonly nanoseconds: number
}

/** A million checks in a minute, spread evenly over keys of 20 bytes. With a million keys, the table has the most work. */
export function measureTally(keys: number): TallyFigures {
  // Whole texts, as those of requests are: V8 joins parts only when it must, which then costs the first to look at them.
  const names = Array.from({ length: keys }, (_, i) => detached(`user:${String(i).padStart(15, '0')}`))
  const latest: Decision[] = []
  const without = cpuNanoseconds(names, decision => {
    latest[0] = decision
  })
  const before = usedBytes()
  const tally = new KeyTally()
  const withTally = cpuNanoseconds(names, decision => {
    latest[0] = decision
    tally.decided(decision)
  })
  const megabytes = (usedBytes() - before) / 1e6
  // Keeps the tally alive until it is measured, and the names, which were measured before.
  if (names.length === 0 || tally.takeReports().length === 0) throw new Error('nothing was counted')
  return { megabytes, nanoseconds: withTally - without }
}

/** CPU of a check of the next key. The policy table has looked up the key before. */
function cpuNanoseconds(names: readonly string[], decided: (decision: Decision) => void): number {
  const decision = decisionOf({ policy: POLICY })
  const policies = new Map<string, unknown>()
  const startedAt = process.cpuUsage()
  for (let i = 0; i < CHECKS; i++) {
    const key = names[i % names.length] as string
    if (!policies.has(key)) decided({ ...decision, key })
  }
  const { user, system } = process.cpuUsage(startedAt)
  return ((user + system) * 1_000) / CHECKS
}

function usedBytes(): number {
  global.gc?.()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}
