import type { InstanceHealth } from '../observability/stores-state.ts'
import type { ParentLink } from './parent-link.ts'
import { ParentQuery } from './parent-query.ts'

const METRICS_TIMEOUT_MS = 5_000

/** How much longer than one answer of the stores the primary waits for a front process to report it, in ms. */
export const REPORT_PATIENCE_MS = 400

/** What a front process asks its primary: the metrics of the whole instance, as Prometheus text. */
export function metricsOfInstance(parent: ParentLink): ParentQuery<string> {
  return new ParentQuery(parent, {
    question: 'scrape',
    answerIn: message => (message.type === 'scraped' ? { id: message.id, value: message.text } : undefined),
    timeoutMs: METRICS_TIMEOUT_MS,
  })
}

/** What a front process asks its primary: how the whole instance is. */
export function healthOfFleet(parent: ParentLink, storeTimeoutMs: number): ParentQuery<InstanceHealth> {
  return new ParentQuery(parent, {
    question: 'ask-health',
    answerIn: message => (message.type === 'health' ? { id: message.id, value: message.health } : undefined),
    timeoutMs: storeTimeoutMs + 2 * REPORT_PATIENCE_MS,
  })
}
