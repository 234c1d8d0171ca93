import type { MetricObjectWithValues, MetricValue } from 'prom-client'
import type { InstanceHealth, StoresState } from '../observability/stores-state.ts'

/** All metrics of one process, as prom-client hands them over. */
export type MetricsSnapshot = MetricObjectWithValues<MetricValue<string>>[]

/** What a child tells its parent. */
export type FromChild =
  /** Its event loop turns. */
  | { readonly type: 'alive' }
  /** The next that it asks node:cluster for is to listen. */
  | { readonly type: 'listens-next' }
  /** It does its work from now on. `port` is where the front listens. */
  | { readonly type: 'ready'; readonly port?: number }
  /** It cannot start, and would not if it were started again. */
  | { readonly type: 'cannot-start'; readonly reason: string }
  | { readonly type: 'metrics'; readonly metrics: MetricsSnapshot }
  /** How this process sees its stores. */
  | { readonly type: 'stores'; readonly stores: StoresState }
  | { readonly type: 'ask-health'; readonly id: number }
  /** Its circuit to the bucket store opened. */
  | { readonly type: 'circuit-opened'; readonly reason: string }
  | { readonly type: 'scrape'; readonly id: number }

/** What a parent tells its child. */
export type ToChild =
  /** End what is under way, then end. Go on answering those who are connected for up to `drainMs`. */
  | { readonly type: 'stop'; readonly drainMs: number; readonly replaced: boolean }
  /** Replace the front processes. */
  | { readonly type: 'replace' }
  | { readonly type: 'collect' }
  | { readonly type: 'examine-stores' }
  | { readonly type: 'health'; readonly id: number; readonly health: InstanceHealth }
  | { readonly type: 'scraped'; readonly id: number; readonly text: string }
  /** What the supervisor counts, for the primary to publish with its own metrics. */
  | { readonly type: 'supervisor-metrics'; readonly metrics: MetricsSnapshot }
