import type { Logger } from '../../observability/logger.ts'
import { type Inspection, inspectStore, PreflightError } from './inspect-store.ts'
import type { RedisTarget } from './redis-target.ts'

/** `CONFIG GET save` of a server without snapshots. */
const NO_SAVE_POINTS = ''

interface PreflightOptions {
  readonly keyPrefix: string
  readonly logger: Logger
}

/**
 * Inspects the stores once for all processes of a start. Warns of a store that is unavailable, and of one that may lose policies.
 * @throws {PreflightError} lists every store that cannot be used
 */
export async function preflight(
  targets: readonly RedisTarget[],
  { keyPrefix, logger }: PreflightOptions,
): Promise<void> {
  const outcomes = await Promise.allSettled(targets.map(target => inspectStore(target, keyPrefix)))
  const faults = outcomes.flatMap((outcome, i) =>
    outcome.status === 'rejected' ? `  ${targets[i]?.variable} ${faultOf(outcome.reason)}` : [],
  )
  if (faults.length > 0) throw new PreflightError(`Cannot use the configured stores:\n${faults.join('\n')}`)
  for (const [i, outcome] of outcomes.entries()) {
    if (outcome.status === 'fulfilled') report(targets[i] as RedisTarget, outcome.value, logger)
  }
}

function faultOf(reason: unknown): string {
  if (reason instanceof PreflightError) return reason.message
  throw reason
}

function report({ variable, holdsPolicies }: RedisTarget, found: Inspection, logger: Logger): void {
  if ('unavailable' in found) {
    logger.warn({ variable, reason: found.unavailable }, 'a store is unavailable: the service starts without it')
  } else if (holdsPolicies) {
    reportRisks(variable, found, logger)
  }
}

/** Policies must not be lost. A server that does not report its settings is not warned of. */
function reportRisks(
  variable: string,
  { info, savePoints }: Exclude<Inspection, { unavailable: string }>,
  logger: Logger,
) {
  const policy = info.get('maxmemory_policy')
  if (policy !== undefined && policy !== 'noeviction') {
    logger.warn(
      { variable, maxmemoryPolicy: policy },
      `the policy store may evict policies: its maxmemory-policy is ${policy}; set it to noeviction`,
    )
  }
  if (info.get('aof_enabled') === '0' && savePoints === NO_SAVE_POINTS) {
    logger.warn(
      { variable },
      'the policy store keeps nothing on disk: appendonly is no and save is empty, so all policies are lost when it ends',
    )
  }
}
