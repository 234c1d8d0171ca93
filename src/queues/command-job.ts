import type { JobsOptions } from 'bullmq'
import type { QueuedCommand } from '../domain/commands.ts'

/** The data of a job: a command, and the id of its request, which links the log lines of both. */
export interface CommandJob {
  readonly command: QueuedCommand
  readonly requestId: string
}

/**
 * One attempt: BullMQ would run later jobs before a retried one, so the processor itself waits for the store. The store keeps
 * outcomes; completed jobs stay only for Bull Board, failed ones until an operator retries them.
 */
export const jobOptions: JobsOptions = {
  attempts: 1,
  removeOnComplete: { count: 100 },
}
