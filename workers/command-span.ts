import type { Job } from 'bullmq'
import type { Outcome } from '../src/domain/outcome.ts'
import { type CommandJob, sourceOf } from '../src/queues/command-job.ts'
import type { Span, Tracer } from '../src/tracing/tracer.ts'

/**
 * Runs the work on a command in a span, if the request that it came with is traced.
 * @param work gets the context of the span, for those who continue the trace
 * @see https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/
 */
export async function inCommandSpan(
  job: Job<CommandJob>,
  tracer: Tracer | undefined,
  work: (traceparent: string | undefined) => Promise<Outcome | undefined>,
): Promise<Outcome | undefined> {
  const span = tracer && beginSpan(job, tracer)
  try {
    const outcome = await work(span?.traceparent)
    span?.setAttributes({ 'throttler.command.status': outcome?.status ?? 'skipped' })
    return outcome
  } catch (err) {
    span?.fail((err as Error).name)
    throw err
  } finally {
    span?.end()
  }
}

function beginSpan({ id, name, queueName, data }: Job<CommandJob>, tracer: Tracer): Span | undefined {
  const { requestId, traceparent } = sourceOf(data)
  if (traceparent === undefined) return undefined
  const span = tracer.startSpan(`process ${queueName}`, { kind: 'consumer', parent: { traceparent } })
  span?.setAttributes({
    'messaging.system': 'bullmq',
    'messaging.destination.name': queueName,
    'messaging.operation.name': 'process',
    'messaging.operation.type': 'process',
    'messaging.message.id': id,
    'throttler.command.type': name,
    'throttler.request_id': requestId,
  })
  return span
}
