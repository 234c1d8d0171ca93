import type { JobsOptions } from 'bullmq'
import type { QueuedCommand } from '../domain/commands.ts'

/** The data of a job: a command, and the request that it came with, so that logs can be followed from one to the other. */
export interface CommandJob {
  readonly command: QueuedCommand
  readonly requestId: string
}

/**
 * One attempt: a job that BullMQ tries again is overtaken by its successors, so the processor itself waits for the store.
 * Outcomes are recorded beside the log, so completed jobs are kept only to be looked at; failed ones until they are retried.
 */
export const jobOptions: JobsOptions = {
  attempts: 1,
  removeOnComplete: { count: 100 },
}
