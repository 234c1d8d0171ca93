import { BATCH_SIZE, PIPELINE_SIZE } from './load/keys.ts'
import type { RequestKind } from './load/messages.ts'

/** One thing that is measured. */
export interface Row {
  readonly name: string
  /** The service, or one of the servers that it is compared with. */
  readonly server: string
  readonly requests: RequestKind
  /** The port that requests go to, if it is not that of HTTP. */
  readonly port?: 'respPort' | 'grpcPort'
  readonly ratePerSecond?: number
  readonly decisionsPerAnswer: number
  /** The status that nearly every answer has. */
  readonly status: number
}

export const SERVICE = 'service'
/** The same service in processes of their own: a process that serves other kinds of calls too is slower at each. */
const WITH_RESERVATIONS = 'service-with-reservations'
const WITH_PROTOCOLS = 'service-with-protocols'
export const SERVICES: readonly string[] = [SERVICE, WITH_RESERVATIONS, WITH_PROTOCOLS]
const OPEN_LOOP_RATE = 10_000

const single = { requests: 'single', decisionsPerAnswer: 1, status: 200 } as const
const ours = { ...single, server: SERVICE }
const reserving = { ...single, server: WITH_RESERVATIONS }
const overProtocols = { ...single, server: WITH_PROTOCOLS }

/** In the order in which a round runs them. */
export const ROWS: readonly Row[] = [
  { ...single, name: 'floor', server: 'floor' },
  { ...ours, name: 'ours-single' },
  { ...ours, name: 'ours-unusual', requests: 'unusual' },
  { ...ours, name: 'ours-batch100', requests: 'batch', decisionsPerAnswer: BATCH_SIZE },
  { ...ours, name: 'ours-denied', requests: 'denied', status: 429 },
  { ...reserving, name: 'ours-group3', requests: 'group' },
  { ...reserving, name: 'ours-reservation', requests: 'reservation' },
  { ...reserving, name: 'ours-held', requests: 'held' },
  { ...ours, name: 'ours-client', requests: 'client-shared' },
  { ...ours, name: 'ours-client-single-calls', requests: 'client-single' },
  { ...single, name: 'evalsha-per-check', server: 'evalsha-per-check' },
  { ...single, name: 'rate-limiter-flexible', server: 'rate-limiter-flexible' },
  { ...single, name: 'fastify-rate-limit', server: 'fastify-rate-limit' },
  { ...overProtocols, name: 'ours-resp', port: 'respPort', requests: 'resp' },
  {
    ...overProtocols,
    name: 'ours-resp-pipelines',
    port: 'respPort',
    requests: 'resp-pipelines',
    decisionsPerAnswer: PIPELINE_SIZE,
  },
  { ...overProtocols, name: 'ours-grpc', port: 'grpcPort', requests: 'ratelimit-grpc' },
  { ...single, name: 'grpc-js', server: 'grpc-js', requests: 'ratelimit-grpc' },
  { ...single, name: 'floor-open-loop', server: 'floor', ratePerSecond: OPEN_LOOP_RATE },
  { ...ours, name: 'ours-open-loop', ratePerSecond: OPEN_LOOP_RATE },
]

/** The only measurement without a row: the memory of buckets and reservations in Redis. */
export const MEMORY = 'memory'
