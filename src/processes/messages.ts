import type { Aggregator, MetricObjectWithValues, MetricValue } from 'prom-client'
import type { InstanceHealth, StoresState } from '../observability/stores-state.ts'
import type { QueueObservation } from '../queues/queue-watch.ts'
import type { FrontPorts } from './front-ports.ts'

/** All metrics of one process, as prom-client serializes them. */
export type MetricsSnapshot = MetricObjectWithValues<MetricValue<string>>[]

/** Some series of one metric. */
export interface MetricPart {
  readonly name: string
  readonly help: string
  readonly type: string
  readonly aggregator: Aggregator
  /** Names with labels, as in Prometheus' text. */
  readonly series: readonly string[]
  /** The value of each series. */
  readonly values: readonly number[]
}

/** Successive parts of metrics, with a bounded number of series together. */
export type MetricsPiece = readonly MetricPart[]

/** A piece of the metrics of one process. `index` counts its pieces from 0. */
export interface MetricsReport {
  readonly type: 'metrics-piece'
  readonly index: number
  readonly piece: MetricsPiece
  readonly isLast: boolean
}

/** The last observations of the queues of changes. The primary keeps them for processes that start later. */
interface QueueObservations {
  readonly type: 'queues'
  readonly queues: readonly QueueObservation[]
}

/** The front processes that were counted last, on all machines. The primary keeps their number for processes that start later. */
interface FrontCount {
  readonly type: 'front-count'
  readonly count: number
}

/** What the other front processes of an instance have. */
export interface OtherFronts {
  /** One of them serves by the policies. */
  readonly knowPolicies: boolean
  /** The instance has started, and one of them reaches the bucket store. */
  readonly reachStore: boolean
}

/** Messages from a child to its parent. */
export type FromChild =
  /** Heartbeat: the event loop is not blocked. */
  | { readonly type: 'alive' }
  /** The next request to node:cluster is to listen. */
  | { readonly type: 'about-to-listen' }
  /** The process is ready. `ports` are where the front listens. */
  | { readonly type: 'ready'; readonly ports?: FrontPorts }
  /** The process cannot start; retrying will not help. */
  | { readonly type: 'cannot-start'; readonly reason: string }
  | MetricsReport
  /** All metrics at once, for a primary of release 0.1.0. */
  | { readonly type: 'metrics'; readonly metrics: MetricsSnapshot }
  /** The state of the stores as this process sees it. */
  | { readonly type: 'stores'; readonly stores: StoresState }
  | { readonly type: 'query-health'; readonly id: number }
  /** This front process has loaded the policies. */
  | { readonly type: 'knows-policies' }
  /** What other front processes have. Release 0.1.0 does not answer. */
  | { readonly type: 'query-others'; readonly id: number }
  /** The last observations of this process. */
  | QueueObservations
  | FrontCount
  /** Asks for those of the processes before it. A primary of release 0.1.0 does not answer. */
  | { readonly type: 'query-observations' }
  /** The circuit to the bucket store opened. */
  | { readonly type: 'circuit-opened'; readonly reason: string }
  /** The first quota of this process: a policy in force has it, or it came with a call. */
  | { readonly type: 'quota-found' }
  | { readonly type: 'scrape'; readonly id: number }
  /** This front process takes no more new connections, except those that wait if it is the last one. Earlier releases do not answer. */
  | { readonly type: 'end-handovers'; readonly id: number }

/** Messages from a parent to its child. */
export type ToChild =
  /** Finish requests in flight and exit. Keep serving open connections for up to `drainMs`. */
  | { readonly type: 'stop'; readonly drainMs: number; readonly replaced: boolean }
  /** Replace the front processes. */
  | { readonly type: 'replace' }
  /** Asks for a piece of the metrics. The piece 0 begins a new report. Release 0.1.0 asks for all at once, without an index. */
  | { readonly type: 'collect'; readonly index?: number }
  | { readonly type: 'examine-stores' }
  /** The answers to `query-observations`. */
  | QueueObservations
  | FrontCount
  | { readonly type: 'health'; readonly id: number; readonly health: InstanceHealth }
  | ({ readonly type: 'others'; readonly id: number } & OtherFronts)
  /** The answer to `scrape`, in pieces; from release 0.1.0, in one. */
  | { readonly type: 'scraped'; readonly id: number; readonly text: string; readonly isLast?: boolean }
  /** The answer to `end-handovers`: the process has got all of its connections. */
  | { readonly type: 'handovers-ended'; readonly id: number }
  /** What the supervisor counts, for the primary to publish with its own metrics. */
  | { readonly type: 'supervisor-metrics'; readonly metrics: MetricsSnapshot }
  /** For the embedded store: quotas are in use, and their counts are to survive a restart. */
  | { readonly type: 'keep-quota-counts' }
