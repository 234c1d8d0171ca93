import type { JobsOptions } from 'bullmq'
import type { QueuedCommand } from '../domain/commands.ts'

/** The data of a job: a command, and next to it its request id. Release 0.1.0 refuses a command that contains one. */
export interface CommandJob {
  readonly command: QueuedCommand
  readonly requestId?: string | undefined
}

export function jobOf({ requestId, ...command }: QueuedCommand): CommandJob {
  return { command, requestId }
}

/** The request id of a job that others than this service may have written. */
export function requestIdOf(data: unknown): string | undefined {
  const { requestId } = Object(data) as { requestId?: unknown }
  return typeof requestId === 'string' ? requestId : undefined
}

/**
 * One attempt: BullMQ would run later jobs before a retried one, so the processor itself waits for the store. The store keeps
 * outcomes; completed jobs stay only for Bull Board, failed ones until an operator retries them. The service itself queues the end of
 * a policy again, which BullMQ ignores while a failed job has that id.
 */
export function jobOptionsOf({ id, type }: QueuedCommand): JobsOptions {
  return {
    jobId: id,
    attempts: 1,
    removeOnComplete: { count: 100 },
    ...(type === 'expire' && { removeOnFail: true }),
  }
}
