import { type Job, UnrecoverableError } from 'bullmq'
import { parseCommand } from '../src/config-change/apply/command.schema.ts'
import type { CommandApplier } from '../src/config-change/apply/command-applier.ts'
import type { ImportApplier } from '../src/config-change/apply/import-applier.ts'
import { recordFailure } from '../src/config-change/apply/record-failure.ts'
import { faultFields } from '../src/config-change/fault-fields.ts'
import { endedPart, refusalByName } from '../src/config-change/idempotency-keys.ts'
import type { CommandStore, IdempotencyStore, Lease } from '../src/config-change/ports.ts'
import type { QueuedCommand } from '../src/domain/commands.ts'
import type { Outcome } from '../src/domain/outcome.ts'
import type { Logger } from '../src/observability/logger.ts'
import { type CommandJob, requestIdOf } from '../src/queues/command-job.ts'
import { isTransient } from '../src/redis/connection/transient.ts'
import { retryWhileUnavailable } from './retry-while-unavailable.ts'
import type { WorkerMetrics } from './worker-metrics.ts'

/** Resolves with `undefined` when the command is another worker's, or has ended. */
export type ConfigChangeProcessor = (job: Job<CommandJob>, lease?: Lease) => Promise<Outcome | undefined>

interface ProcessorOptions {
  readonly applier: CommandApplier
  readonly importer: ImportApplier
  readonly log: CommandStore
  readonly reservations: IdempotencyStore
  readonly metrics: Pick<WorkerMetrics, 'commandEnded'>
  readonly logger: Logger
}

/** Job → apply → outcome. A command that can never be applied ends as failed, and its partition continues. */
export function configChangeProcessor(options: ProcessorOptions): ConfigChangeProcessor {
  const { log, reservations, metrics, logger } = options
  return async (job, token) => {
    const id = String(job.id)
    const lease = String(token)
    const { command: value } = Object(job.data) as Partial<CommandJob>
    const requestId = requestIdOf(job.data)
    try {
      const command = { ...parseCommand(id, value), ...(requestId !== undefined && { requestId }) }
      const outcome = await retryWhileUnavailable(() => end(command, job, lease, options))
      if (outcome === undefined) return leave()
      metrics.commandEnded(command.type, outcome.status)
      logger.info({ commandId: id, requestId, type: command.type, ...gist(outcome) }, 'command ended')
      return outcome
    } catch (err) {
      logger.error({ ...faultFields(err), commandId: id, requestId }, 'command cannot be processed')
      const attempt = { id, command: value, err, lease }
      if (!(await retryWhileUnavailable(() => recordFailure(attempt, { log, reservations, isTransient }))))
        return leave()
      metrics.commandEnded(job.name, 'failed')
      throw new UnrecoverableError((err as Error).message)
    }

    function leave(): undefined {
      logger.warn({ commandId: id, requestId }, 'command left: it has ended, or another worker took it over')
    }
  }
}

async function end(
  command: QueuedCommand,
  job: Job<CommandJob>,
  lease: Lease,
  { applier, importer, reservations }: ProcessorOptions,
): Promise<Outcome | undefined> {
  const refusal = await refusalByName(command, reservations)
  const how = { isRetry: job.attemptsMade > 0, lease, refusal }
  const outcome =
    command.type === 'import-part' ? await importer.apply(command, how) : await applier.apply(command, how)
  const { actor, idempotency } = command
  if (outcome !== undefined && idempotency !== undefined) {
    await reservations.end({ actor, key: idempotency.key }, endedPart(command))
  }
  return outcome
}

function gist(outcome: Outcome): object {
  const { status } = outcome
  if (status === 'rejected') return { status, code: outcome.error.code }
  return 'counts' in outcome
    ? { status, ...outcome.counts }
    : { status, version: outcome.version, effect: outcome.effect }
}
