import { type Job, UnrecoverableError } from 'bullmq'
import type { CommandApplier } from '../src/config-change/apply.ts'
import type { ImportApplier } from '../src/config-change/apply-import.ts'
import { parseCommand } from '../src/config-change/command.schema.ts'
import { recordFailure } from '../src/config-change/fail.ts'
import type { CommandLog, ImportStaging, Reservations } from '../src/config-change/ports.ts'
import type { QueuedCommand } from '../src/domain/commands.ts'
import type { Outcome } from '../src/domain/outcome.ts'
import type { Logger } from '../src/logger.ts'
import type { CommandJob } from '../src/queues/command-job.ts'
import { isTransient } from '../src/redis/transient.ts'
import { untilAnswered } from './patience.ts'
import type { WorkerMetrics } from './worker-metrics.ts'

export type ConfigChangeProcessor = (job: Job<CommandJob>) => Promise<Outcome>

interface ProcessorOptions {
  readonly applier: CommandApplier
  readonly importer: ImportApplier
  readonly log: CommandLog
  readonly staging: ImportStaging
  readonly reservations: Reservations
  readonly metrics: Pick<WorkerMetrics, 'commandEnded'>
  readonly logger: Logger
}

/** Job → apply → outcome. What can never be applied ends as failed, and its partition goes on. */
export function configChangeProcessor(options: ProcessorOptions): ConfigChangeProcessor {
  return async job => {
    const id = String(job.id)
    const { command: value, requestId } = Object(job.data) as Partial<CommandJob>
    const { metrics } = options
    try {
      const command = parseCommand(id, value)
      const outcome = await untilAnswered(() => end(command, job, options))
      metrics.commandEnded(command.type, outcome.status)
      options.logger.info({ commandId: id, requestId, type: command.type, ...gist(outcome) }, 'command ended')
      return outcome
    } catch (err) {
      options.logger.error({ err, commandId: id, requestId }, 'command cannot be processed')
      await untilAnswered(() => recordFailure({ id, command: value, err }, { ...options, isTransient }))
      metrics.commandEnded(job.name, 'failed')
      throw new UnrecoverableError((err as Error).message)
    }
  }
}

async function end(command: QueuedCommand, job: Job<CommandJob>, options: ProcessorOptions): Promise<Outcome> {
  const { applier, importer, reservations } = options
  const how = { isRetry: job.attemptsMade > 0, requestId: job.data.requestId }
  const outcome =
    command.type === 'import-part' ? await importer.apply(command, how) : await applier.apply(command, how)
  const { actor, idempotency } = command
  if (idempotency !== undefined) await reservations.expire({ actor, key: idempotency.key })
  return outcome
}

function gist(outcome: Outcome): object {
  const { status } = outcome
  if (status === 'rejected') return { status, code: outcome.error.code }
  return 'counts' in outcome
    ? { status, ...outcome.counts }
    : { status, version: outcome.version, effect: outcome.effect }
}
