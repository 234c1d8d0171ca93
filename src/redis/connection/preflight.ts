import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '../../observability/logger.ts'
import { type Inspection, type InspectionSettings, inspectStore, PreflightError } from './inspect-store.ts'
import type { RedisTarget } from './redis-target.ts'

/** `CONFIG GET save` of a server without snapshots. */
const NO_SAVE_POINTS = ''

/** How long until a store that is unavailable is inspected again, in ms. */
const INSPECTION_PAUSE_MS = 5_000

/**
 * Inspects the stores once for all processes of a start. Warns of a store that is unavailable, and of one that may lose policies.
 * @throws {PreflightError} lists every store that cannot be used
 */
export async function preflight(
  targets: readonly RedisTarget[],
  env: InspectionSettings,
  logger: Logger,
): Promise<void> {
  const outcomes = await Promise.allSettled(targets.map(target => inspectStore(target, env)))
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
    reportRisks(variable, found, { logger, store: 'policy store', contents: 'policies', lost: 'all policies are' })
  }
}

/**
 * Once quotas are in force: warns of a bucket store that may lose what was spent of them, as soon as the store is available. One that
 * holds policies too is inspected at the start.
 */
export async function reportQuotaRisks(
  target: RedisTarget,
  env: InspectionSettings,
  { logger, signal }: { readonly logger: Logger; readonly signal: AbortSignal },
): Promise<void> {
  if (target.holdsPolicies) return
  const contents = 'what was spent of quotas'
  let found = await inspectStore(target, env)
  while ('unavailable' in found) {
    await sleep(INSPECTION_PAUSE_MS, undefined, { signal, ref: false })
    found = await inspectStore(target, env)
  }
  reportRisks(target.variable, found, { logger, store: 'bucket store', contents, lost: `${contents} is` })
}

interface Risks {
  readonly logger: Logger
  readonly store: string
  readonly contents: string
  /** Begins "… lost when it ends". */
  readonly lost: string
}

/** A server that does not report its settings is not warned of. */
function reportRisks(
  variable: string,
  { info, savePoints }: Exclude<Inspection, { unavailable: string }>,
  { logger, store, contents, lost }: Risks,
) {
  const policy = info.get('maxmemory_policy')
  if (policy !== undefined && policy !== 'noeviction') {
    logger.warn(
      { variable, maxmemoryPolicy: policy },
      `the ${store} may evict ${contents}: its maxmemory-policy is ${policy}; set it to noeviction`,
    )
  }
  if (info.get('aof_enabled') === '0' && savePoints === NO_SAVE_POINTS) {
    logger.warn(
      { variable },
      `the ${store} keeps nothing on disk: appendonly is no and save is empty, so ${lost} lost when it ends`,
    )
  }
}
