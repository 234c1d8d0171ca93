import type { Job } from 'bullmq'
import type { CommandApplier } from '../src/config-change/apply.ts'
import type { Outcome } from '../src/domain/outcome.ts'
import type { Logger } from '../src/logger.ts'
import type { CommandJob } from '../src/queues/command-job.ts'

export type ConfigChangeProcessor = (job: Job<CommandJob>) => Promise<Outcome>

/** Job → apply → outcome. */
export function configChangeProcessor(applier: CommandApplier, logger: Logger): ConfigChangeProcessor {
  return async job => {
    const { command, requestId } = job.data
    const outcome = await applier.apply(command)
    const { status } = outcome
    const detail =
      status === 'applied' ? { version: outcome.version, effect: outcome.effect } : { code: outcome.error.code }
    logger.info({ commandId: command.id, requestId, type: command.type, status, ...detail }, 'command ended')
    return outcome
  }
}
