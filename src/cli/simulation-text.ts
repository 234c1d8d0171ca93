import type { PolicyReport } from '../simulation/policy-tally.ts'
import type { TrafficReport } from '../simulation/traffic-counts.ts'
import { printable } from './printable.ts'
import { fieldLines, tableOf } from './tables.ts'

/** The result of `throttler simulate`. */
export interface SimulationBody extends TrafficReport {
  readonly badLines: number
  /** The policies whose concurrency limits were skipped. */
  readonly skippedConcurrency: readonly string[]
  readonly policies: readonly PolicyReport[]
}

export function simulationText({
  checks,
  badLines,
  from,
  to,
  outOfOrder,
  unknownPolicies,
  skippedConcurrency,
  policies,
}: SimulationBody): string {
  const traffic = fieldLines({
    checks,
    from: from ?? undefined,
    to: to ?? undefined,
    'bad lines': badLines || undefined,
    'out of order': outOfOrder || undefined,
  })
  const unknown = Object.entries(unknownPolicies).map(
    ([policy, count]) => `no policy ${printable(JSON.stringify(policy))}: ${count} checks skipped\n`,
  )
  const skipped = skippedConcurrency.map(
    policy => `the concurrency limits of ${printable(JSON.stringify(policy))} were skipped\n`,
  )
  return traffic + unknown.join('') + skipped.join('') + policies.map(policyText).join('')
}

function policyText({ policy, checks, allowed, denied, shadowed, mostDenied, limits }: PolicyReport): string {
  const counts = tableOf([{ policy, checks, allowed, denied, shadowed }])
  const keys = mostDenied.length === 0 ? '' : `\n${tableOf(mostDenied)}`
  return `\n${counts}${limits.length === 0 ? '' : `\n${tableOf(limits.map(limitRow))}`}${keys}`
}

function limitRow({ name, limit, smallestCapacity }: PolicyReport['limits'][number]) {
  return { limit: name, capacity: limit, 'denies nothing from': smallestCapacity ?? 'no capacity' }
}
