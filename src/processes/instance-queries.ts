import type { InstanceHealth } from '../observability/stores-state.ts'
import type { ParentLink } from './parent-link.ts'
import { ParentQuery } from './parent-query.ts'

const METRICS_TIMEOUT_MS = 5_000

/** Grace period beyond a store's timeout within which a front process reports its result to the primary, in ms. */
export const REPORT_GRACE_MS = 400

/** Asks the primary for the metrics of the whole instance, as Prometheus text. */
export function instanceMetrics(parent: ParentLink): ParentQuery<string> {
  return new ParentQuery(parent, {
    question: 'scrape',
    answerIn: message => (message.type === 'scraped' ? { id: message.id, value: message.text } : undefined),
    timeoutMs: METRICS_TIMEOUT_MS,
  })
}

/** Asks the primary for the health of the whole instance. */
export function instanceHealth(parent: ParentLink, storeTimeoutMs: number): ParentQuery<InstanceHealth> {
  return new ParentQuery(parent, {
    question: 'query-health',
    answerIn: message => (message.type === 'health' ? { id: message.id, value: message.health } : undefined),
    timeoutMs: storeTimeoutMs + 2 * REPORT_GRACE_MS,
  })
}
