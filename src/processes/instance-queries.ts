import type { InstanceHealth } from '../observability/stores-state.ts'
import type { OtherFronts } from './messages.ts'
import type { ParentLink } from './parent-link.ts'
import { ParentQuery } from './parent-query.ts'

const METRICS_TIMEOUT_MS = 5_000

/** Grace period beyond a store's timeout within which a front process reports its result to the primary, in ms. */
export const REPORT_GRACE_MS = 400

/** Returns a function that asks the primary for the metrics of the whole instance, as Prometheus text in UTF-8. */
export function instanceMetrics(parent: ParentLink): () => Promise<Buffer> {
  const query = new ParentQuery(parent, {
    question: 'scrape',
    answerIn: message => {
      if (message.type !== 'scraped') return undefined
      const { id, text, isLast = true } = message
      return { id, value: Buffer.from(text), isLast }
    },
    timeoutMs: METRICS_TIMEOUT_MS,
  })
  return async () => Buffer.concat(await query.ask())
}

/** Returns a function that asks the primary for the health of the whole instance. */
export function instanceHealth(parent: ParentLink, storeTimeoutMs: number): () => Promise<InstanceHealth> {
  const query = new ParentQuery(parent, {
    question: 'query-health',
    answerIn: message => {
      if (message.type !== 'health') return undefined
      return { id: message.id, value: message.health, isLast: true }
    },
    timeoutMs: storeTimeoutMs + 2 * REPORT_GRACE_MS,
  })
  return async () => {
    const [health] = await query.ask()
    return health as InstanceHealth
  }
}

/**
 * What counts if the primary does not answer: it may be stopped for a moment, or of a release that does not know the question. A process
 * that serves without the policies decides wrongly; one that serves without the bucket store decides less exactly.
 */
const ASSUMED_OF_OTHERS: OtherFronts = { knowPolicies: true, reachStore: false }

/** Returns a function that asks the primary what other front processes have. */
export function askOthers(parent: ParentLink, storeTimeoutMs: number): () => Promise<OtherFronts> {
  const query = new ParentQuery(parent, {
    question: 'query-others',
    answerIn: message => {
      if (message.type !== 'others') return undefined
      const { id, knowPolicies, reachStore } = message
      return { id, value: { knowPolicies, reachStore }, isLast: true }
    },
    timeoutMs: storeTimeoutMs + 2 * REPORT_GRACE_MS,
  })
  return () =>
    query.ask().then(
      ([others = ASSUMED_OF_OTHERS]) => others,
      () => ASSUMED_OF_OTHERS,
    )
}

/**
 * Ends the handovers of new connections to this process. Resolves once it has got those that wait, if no other process takes them; after the
 * time limit also without an answer of the primary.
 */
export async function endHandovers(parent: ParentLink, timeoutMs: number): Promise<void> {
  const query = new ParentQuery(parent, {
    question: 'end-handovers',
    answerIn: message =>
      message.type === 'handovers-ended' ? { id: message.id, value: true, isLast: true } : undefined,
    timeoutMs,
  })
  await query.ask().catch(() => undefined)
}
