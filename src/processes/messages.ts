import type { MetricObjectWithValues, MetricValue } from 'prom-client'

/** All metrics of one process, as prom-client hands them over. */
export type MetricsSnapshot = MetricObjectWithValues<MetricValue<string>>[]

/** What a child tells its parent. */
export type FromChild =
  /** It does its work from now on. `port` is where the front listens. */
  | { readonly type: 'ready'; readonly port?: number }
  /** It cannot start, and would not if it were started again. */
  | { readonly type: 'cannot-start'; readonly reason: string }
  | { readonly type: 'metrics'; readonly metrics: MetricsSnapshot }
  | { readonly type: 'scrape'; readonly id: number }

/** What a parent tells its child. */
export type ToChild =
  /** End what is under way, then end. `drainMs`: go on answering for so long, while a successor takes over. */
  | { readonly type: 'stop'; readonly drainMs: number }
  | { readonly type: 'collect' }
  | { readonly type: 'scraped'; readonly id: number; readonly text: string }
