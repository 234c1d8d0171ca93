/** What the load generator is to send, and how. */
export interface LoadPlan {
  readonly port: number
  readonly requests: RequestKind
  /** Requests a second at a fixed rate; without it each connection sends its next request when it has its answer. */
  readonly ratePerSecond?: number
}

/** Requests that are written as they are. */
export type RawRequestKind =
  | 'single'
  | 'unusual'
  | 'batch'
  | 'denied'
  | 'group'
  | 'reservation'
  | 'held'
  | 'resp'
  | 'resp-pipelines'
  | PeerRequestKind

/** Those of other rate limiters, in the protocol that each of them has. */
type PeerRequestKind =
  | 'throttlecrab-http'
  | 'throttlecrab-resp'
  | 'throttlecrab-pipelines'
  | 'gubernator-grpc'
  | 'gubernator-batches'
  | 'ratelimit-grpc'
  | 'ratelimit-batches'

/** Checks that the TypeScript client asks, in calls that they share or each in its own. */
export type ClientRequestKind = 'client-shared' | 'client-single'

export type RequestKind = RawRequestKind | ClientRequestKind

export interface LoadResult {
  readonly answers: number
  readonly seconds: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
  /** How many answers had which status. */
  readonly statuses: Readonly<Record<string, number>>
}

export type ToLoad = { readonly type: 'start'; readonly plan: LoadPlan } | { readonly type: 'measure' | 'stop' }

export type FromLoad =
  | { readonly type: 'started' | 'measuring' }
  | { readonly type: 'stopped'; readonly result: LoadResult }
