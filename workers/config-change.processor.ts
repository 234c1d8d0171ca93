import { type Job, UnrecoverableError } from 'bullmq'
import { parseCommand } from '../src/config-change/apply/command.schema.ts'
import type { CommandApplier } from '../src/config-change/apply/command-applier.ts'
import type { ImportApplier } from '../src/config-change/apply/import-applier.ts'
import { endKey, reclaimKey } from '../src/config-change/apply/queued-idempotency-key.ts'
import { recordFailure } from '../src/config-change/apply/record-failure.ts'
import type { CommandStore, IdempotencyStore, Lease, StateReader } from '../src/config-change/ports.ts'
import { type CommandId, parseCommandId } from '../src/domain/command-id.ts'
import type { QueuedCommand } from '../src/domain/commands.ts'
import type { Outcome } from '../src/domain/outcome.ts'
import { faultFields } from '../src/lib/operator-error.ts'
import type { Logger } from '../src/observability/logger.ts'
import { type CommandJob, sourceOf } from '../src/queues/command-job.ts'
import { isDenied } from '../src/redis/connection/failure-reason.ts'
import { isTransient } from '../src/redis/connection/transient.ts'
import type { Tracer } from '../src/tracing/tracer.ts'
import { inCommandSpan } from './command-span.ts'
import { retryWhileUnavailable } from './retry-while-unavailable.ts'
import type { WorkerMetrics } from './worker-metrics.ts'

/** Resolves with `undefined` if another worker holds the command, or if it has ended. */
export type ConfigChangeProcessor = (job: Job<CommandJob>, lease?: Lease) => Promise<Outcome | undefined>

interface ProcessorOptions {
  readonly applier: CommandApplier
  readonly importer: ImportApplier
  readonly reader: StateReader
  readonly store: CommandStore
  readonly idempotency: IdempotencyStore
  readonly metrics: Pick<WorkerMetrics, 'commandEnded'>
  /** Absent if nothing is traced. */
  readonly tracer?: Tracer | undefined
  readonly logger: Logger
}

/** Job → apply → outcome. A command that can never be applied ends as failed, and its partition continues. */
export function configChangeProcessor(options: ProcessorOptions): ConfigChangeProcessor {
  const { metrics, logger, tracer } = options
  return (job, token) => inCommandSpan(job, tracer, traceparent => process(job, String(token), traceparent))

  async function process(
    job: Job<CommandJob>,
    lease: Lease,
    traceparent: string | undefined,
  ): Promise<Outcome | undefined> {
    const { command: value } = Object(job.data) as Partial<CommandJob>
    const { requestId } = sourceOf(job.data)
    const id = parseCommandId(String(job.id))
    if (id === undefined) throw refuseJob(job)
    const isTemporary = temporaryErrors({ commandId: id, requestId }, logger)
    try {
      const command = {
        ...parseCommand(id, value),
        ...(requestId !== undefined && { requestId }),
        ...(traceparent !== undefined && { traceparent }),
      }
      const outcome = await retryWhileUnavailable(() => apply(command, job, lease, options), isTemporary)
      if (outcome === undefined) return skip(id)
      metrics.commandEnded(command.type, outcome.status)
      logger.info({ commandId: id, requestId, type: command.type, ...outcomeFields(outcome) }, 'command ended')
      return outcome
    } catch (err) {
      logger.error({ ...faultFields(err), commandId: id, requestId }, 'command cannot be processed')
      const attempt = { id, command: value, err, lease }
      const record = () => recordFailure(attempt, { ...options, isTransient: isTemporary })
      if (!(await retryWhileUnavailable(record, isTemporary))) return skip(id)
      metrics.commandEnded(job.name, 'failed')
      throw new UnrecoverableError((err as Error).message)
    }

    function skip(commandId: CommandId): undefined {
      logger.warn({ commandId, requestId }, 'command skipped: it has ended, or another worker has taken it over')
    }
  }

  /** A job that this service cannot have queued. Nobody can ask for its result, so none is recorded. */
  function refuseJob({ id, name }: Job<CommandJob>): UnrecoverableError {
    const reason = `the id of the job is ${JSON.stringify(id)}, which is not a command id`
    logger.error({ commandId: id, reason }, 'command cannot be processed')
    metrics.commandEnded(name, 'failed')
    return new UnrecoverableError(reason)
  }
}

/** Which errors end by themselves. An operator who takes a right from the Redis user can give it back: no command fails for that. */
function temporaryErrors(command: object, logger: Logger): (err: Error) => boolean {
  let wasDenied = false
  return err => {
    if (!isDenied(err)) return isTransient(err)
    if (!wasDenied)
      logger.error({ ...command, reason: err.message }, 'the Redis user lacks a right: the command waits for it')
    wasDenied = true
    return true
  }
}

async function apply(
  command: QueuedCommand,
  job: Job<CommandJob>,
  lease: Lease,
  { applier, importer, idempotency }: ProcessorOptions,
): Promise<Outcome | undefined> {
  const refusal = await reclaimKey(command, idempotency)
  const attempt = { isRetry: job.attemptsMade > 0, lease, refusal }
  const outcome =
    command.type === 'import-part' ? await importer.apply(command, attempt) : await applier.apply(command, attempt)
  if (outcome !== undefined) await endKey(command, idempotency)
  return outcome
}

function outcomeFields(outcome: Outcome): object {
  const { status } = outcome
  if (status === 'rejected') return { status, code: outcome.error.code }
  return 'counts' in outcome
    ? { status, ...outcome.counts }
    : { status, version: outcome.version, effect: outcome.effect }
}
