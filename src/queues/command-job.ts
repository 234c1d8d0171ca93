import type { JobsOptions } from 'bullmq'
import type { QueuedCommand } from '../domain/commands.ts'

/** The data of a job: a command, and next to it where it comes from. Release 0.1.0 refuses a command that contains that. */
export interface CommandJob extends JobSource {
  readonly command: QueuedCommand
}

/** The request and the span that a job comes from. */
interface JobSource {
  readonly requestId?: string | undefined
  readonly traceparent?: string | undefined
}

export function jobOf({ requestId, traceparent, ...command }: QueuedCommand): CommandJob {
  return { command, requestId, ...(traceparent !== undefined && { traceparent }) }
}

/** Where a job comes from that others than this service may have written. */
export function sourceOf(data: unknown): JobSource {
  const { requestId, traceparent } = Object(data) as Record<string, unknown>
  return {
    ...(typeof requestId === 'string' && { requestId }),
    ...(typeof traceparent === 'string' && { traceparent }),
  }
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
