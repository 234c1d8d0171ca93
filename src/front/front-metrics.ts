import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { BucketCheck, CheckObserver } from '../check/ports.ts'
import type { FollowObserver } from '../config-change/follow/policy-follower.ts'
import type { Decision } from '../domain/decision.ts'
import { PlainHistogram } from '../observability/plain-histogram.ts'
import { collectProcessMetrics } from '../observability/process-metrics.ts'
import { refusedConnections } from '../observability/refused-connections.ts'
import type { ClusterObserver } from '../redis/buckets/master-buckets.ts'
import { FAILURE_REASONS } from '../redis/connection/failure-reason.ts'
import { CheckCounter } from './check-counter.ts'
import type { InsightObserver } from './compose-insight.ts'
import { GrpcRequests } from './grpc-requests.ts'
import { LowQuotas } from './low-quotas.ts'
import { PolicyLabels } from './policy-labels.ts'
import type { ReplyObserver } from './reply-report.ts'
import { ReservationCounter } from './reservation-counter.ts'
import { RespCommands } from './resp-commands.ts'
import { ShadowViolations } from './shadow-violations.ts'

const SECONDS = [0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1]
const BATCH_SIZES = [1, 2, 4, 8, 16, 32, 64, 128, 256]

const LOST_REPORTS = ['counts', 'denials'] as const
/** The reason of a call that succeeded, and left checks of a quota undecided. */
const CLOCK_SKEW = 'clock-skew'

export interface FrontGauges {
  policies(): number
  /** 0 closed, 1 half-open, 2 open. */
  circuitState(): number
  /** Whether the policy store accepts changes. */
  isConfigStoreUp(): Promise<boolean>
  /** Jobs in the command queues, by state. Rejects while the policy store is unavailable. */
  queueJobs(): Promise<Readonly<Record<string, number>>>
  /** By partition, how long its queue of commands has had the same first command. */
  queueWaitsMs(): ReadonlyMap<number, number>
}

/**
 * The metrics of a front process. Labels are policies, never callers' keys, so the number of series is bounded.
 * @see https://prometheus.io/docs/practices/naming/
 */
export class FrontMetrics implements CheckObserver, FollowObserver, ReplyObserver, ClusterObserver, InsightObserver {
  readonly registry = new Registry()
  readonly #policyLabels = new PolicyLabels()
  readonly reservations = new ReservationCounter(this.registry, this.#policyLabels)
  readonly #checks = new CheckCounter(this.registry, this.#policyLabels)
  readonly #lowQuotas = new LowQuotas(this.registry, this.#policyLabels)
  readonly #shadowViolations = new ShadowViolations(this.registry, this.#policyLabels)
  readonly respCommands = new RespCommands(this.registry)
  readonly grpcRequests = new GrpcRequests(this.registry)
  readonly #checkDuration = new PlainHistogram({
    name: 'throttler_check_duration_seconds',
    help: 'Time to decide a check',
    buckets: SECONDS,
    registry: this.registry,
  })
  readonly #batchSize = new PlainHistogram({
    name: 'throttler_store_batch_size',
    help: 'Checks in one call of the bucket store; a group of checks, or a call on a reservation, counts as one',
    buckets: BATCH_SIZES,
    registry: this.registry,
  })
  readonly #storeDuration = new PlainHistogram({
    name: 'throttler_store_duration_seconds',
    help: 'Time of one call of the bucket store',
    buckets: SECONDS,
    registry: this.registry,
  })
  readonly #storeErrors = new Counter({
    name: 'throttler_store_errors_total',
    help: 'Failed calls of the bucket store, by reason',
    labelNames: ['reason'] as const,
    registers: [this.registry],
  })
  readonly #propagation = new Histogram({
    name: 'throttler_config_propagation_seconds',
    help: 'Time from the event of a change until this process obeys it',
    buckets: [...SECONDS, 2.5, 5],
    registers: [this.registry],
  })
  readonly #version = new Gauge({
    name: 'throttler_config_version',
    help: 'Position in the event log that every process has reached, by partition',
    labelNames: ['partition'] as const,
    aggregator: 'min',
    registers: [this.registry],
  })
  readonly #logEvents = new Gauge({
    name: 'throttler_config_log_events',
    help: 'Events in the event log, by partition',
    labelNames: ['partition'] as const,
    aggregator: 'max',
    registers: [this.registry],
  })
  readonly #logResets = new Counter({
    name: 'throttler_config_log_resets_total',
    help: 'Partitions that were reloaded because their log was replaced',
    registers: [this.registry],
  })
  readonly #connectionsRefused = refusedConnections(this.registry)
  readonly #malformedBuckets = new Counter({
    name: 'throttler_malformed_buckets_total',
    help: 'Calls that found a malformed bucket, which counts as full, or a damaged part of a reservation',
    registers: [this.registry],
  })
  readonly #clusterFallbacks = new Counter({
    name: 'throttler_cluster_fallback_calls_total',
    help: 'Batches that took a call for each partition, because a master of the cluster takes no call for several',
    registers: [this.registry],
  })
  readonly #redirectedChecks = new Counter({
    name: 'throttler_store_redirected_checks_total',
    help: 'Checks asked again because their slot is at another master of the cluster, or moves there',
    registers: [this.registry],
  })

  readonly #lostReports = new Counter({
    name: 'throttler_insight_reports_lost_total',
    help: 'Reports for /top, /stats and /denials that the bucket store did not take',
    labelNames: ['report'] as const,
    registers: [this.registry],
  })

  constructor(gauges: FrontGauges) {
    collectProcessMetrics(this.registry)
    for (const reason of [...FAILURE_REASONS, CLOCK_SKEW]) this.#storeErrors.inc({ reason }, 0)
    for (const report of LOST_REPORTS) this.#lostReports.inc({ report }, 0)
    this.#gauge('throttler_policies', 'Policies in force', () => gauges.policies())
    this.#gauge('throttler_circuit_state', 'Circuit to the bucket store: 0 closed, 1 half-open, 2 open', () =>
      gauges.circuitState(),
    )
    new Gauge({
      name: 'throttler_config_store_up',
      help: 'Whether the policy store accepts changes: 1, or 0 if a process finds that it does not',
      aggregator: 'min',
      registers: [this.registry],
      async collect() {
        this.set((await gauges.isConfigStoreUp()) ? 1 : 0)
      },
    })
    new Gauge({
      name: 'throttler_queue_jobs',
      help: 'Jobs in the command queues, by state',
      labelNames: ['state'] as const,
      aggregator: 'max',
      registers: [this.registry],
      async collect() {
        const jobs = await gauges.queueJobs().catch(() => ({}))
        this.reset()
        for (const [state, count] of Object.entries(jobs)) this.set({ state }, count)
      },
    })
    new Gauge({
      name: 'throttler_queue_first_command_seconds',
      help: 'How long the same command has been the first of the queue, by partition; 0 if the queue is empty',
      labelNames: ['partition'] as const,
      aggregator: 'max',
      registers: [this.registry],
      collect() {
        this.reset()
        for (const [partition, ms] of gauges.queueWaitsMs()) this.set({ partition: String(partition) }, ms / 1000)
      },
    })
  }

  #gauge(name: string, help: string, value: () => number): void {
    new Gauge({
      name,
      help,
      aggregator: 'max',
      registers: [this.registry],
      collect() {
        this.set(value())
      },
    })
  }

  decided(decision: Decision, seconds: number): void {
    const outcome = decision.shadowed ? 'shadowed' : decision.allowed ? 'allowed' : 'denied'
    this.#checks.add(decision, outcome, decision.source)
    this.#lowQuotas.look(decision)
    this.#shadowViolations.look(decision)
    this.#checkDuration.observe(seconds)
  }

  undecided(check: BucketCheck, seconds: number): void {
    this.#checks.add(check, 'error', 'outage')
    this.#checkDuration.observe(seconds)
  }

  storeCalled(checks: number, seconds: number, failure?: string): void {
    this.#batchSize.observe(checks)
    this.#storeDuration.observe(seconds)
    if (failure !== undefined) this.#storeErrors.inc({ reason: failure })
  }

  damagedReservation(): void {
    this.#malformedBuckets.inc()
  }

  malformedBucket(): void {
    this.#malformedBuckets.inc()
  }

  clocksDiffered(): void {
    this.#storeErrors.inc({ reason: CLOCK_SKEW })
  }

  calledPerPartition(): void {
    this.#clusterFallbacks.inc()
  }

  redirected(checks: number): void {
    this.#redirectedChecks.inc(checks)
  }

  reportLost(report: 'counts' | 'denials'): void {
    this.#lostReports.inc({ report })
  }

  applied({ at }: { readonly at: string }): void {
    this.#propagation.observe(Math.max(0, Date.now() - Date.parse(at)) / 1000)
  }

  followed(partition: number, position: number, logEvents: number): void {
    this.#version.set({ partition: String(partition) }, position)
    this.#logEvents.set({ partition: String(partition) }, logEvents)
  }

  connectionClosed(): void {
    this.#connectionsRefused.inc()
  }

  logReplaced(): void {
    this.#logResets.inc()
  }
}
