import type { Announcement } from '../config-change/log-ports.ts'
import type { Tracer } from '../tracing/tracer.ts'

type Enforce = (announcement: Announcement) => Promise<void>

/** Gives the work on an announced change a span, as a part of the trace in which a worker applied the change. */
export function tracedEnforcement(enforce: Enforce, tracer: Tracer): Enforce {
  return async announcement => {
    const { traceparent, partition, result } = announcement
    if (traceparent === undefined) return enforce(announcement)
    const span = tracer.startSpan('obey change', { kind: 'consumer', parent: { traceparent } })
    span?.setAttributes({ 'throttler.command.id': result?.id, 'throttler.partition': partition })
    try {
      await enforce(announcement)
    } catch (err) {
      span?.fail((err as Error).name)
      throw err
    } finally {
      span?.end()
    }
  }
}
