import type { Logger } from '../../observability/logger.ts'
import { type Examination, examineStore, UnfitStore } from './inspect-store.ts'
import type { RedisTarget } from './redis-target.ts'

const NOTHING_SAVED = ''

/**
 * Looks at the stores once, for all processes that a start brings up. What is away is said, and what may lose policies too.
 * @throws {UnfitStore} with everything because of which it makes no sense to start
 */
export async function examineStores(targets: readonly RedisTarget[], logger: Logger): Promise<void> {
  const outcomes = await Promise.allSettled(targets.map(examineStore))
  const faults = outcomes.flatMap((outcome, i) =>
    outcome.status === 'rejected' ? `  ${targets[i]?.variable} ${faultOf(outcome.reason)}` : [],
  )
  if (faults.length > 0) throw new UnfitStore(`The stores are not as they must be:\n${faults.join('\n')}`)
  for (const [i, outcome] of outcomes.entries()) {
    if (outcome.status === 'fulfilled') report(targets[i] as RedisTarget, outcome.value, logger)
  }
}

function faultOf(reason: unknown): string {
  if (reason instanceof UnfitStore) return reason.message
  throw reason
}

function report({ variable, holdsPolicies }: RedisTarget, found: Examination, logger: Logger): void {
  if ('away' in found) {
    logger.warn({ variable, reason: found.away }, 'a store cannot be reached yet: serving without it until it can be')
  } else if (holdsPolicies) {
    reportRisks(variable, found, logger)
  }
}

/** Policies are to stay. A server that does not tell is believed to know what it does. */
function reportRisks(variable: string, { info, savePoints }: Exclude<Examination, { away: string }>, logger: Logger) {
  const policy = info.get('maxmemory_policy')
  if (policy !== undefined && policy !== 'noeviction') {
    logger.warn(
      { variable, maxmemoryPolicy: policy },
      `the store of policies may evict them: its maxmemory-policy is ${policy}, and should be noeviction`,
    )
  }
  if (info.get('aof_enabled') === '0' && savePoints === NOTHING_SAVED) {
    logger.warn(
      { variable },
      'the store of policies keeps nothing on disk: its appendonly is no and its save is empty, so that it forgets all policies when it ends',
    )
  }
}
