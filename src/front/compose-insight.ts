/** Connects the ports of insight to their adapters: what checks come to, reported to the bucket store for all instances. */
import { CheckCounts } from '../insight/check-counts.ts'
import { DenialSample } from '../insight/denial-sample.ts'
import type { DenialsRouteOptions } from '../insight/http/denials.route.ts'
import type { StatsRouteOptions } from '../insight/http/stats.route.ts'
import type { TopRouteOptions } from '../insight/http/top.route.ts'
import { KeyTally } from '../insight/key-tally.ts'
import { OutcomeHistory } from '../insight/outcome-history.ts'
import { PacedReads } from '../insight/paced-reads.ts'
import { PeriodicReports } from '../insight/periodic-reports.ts'
import { FINE_GRAIN } from '../insight/ports.ts'
import { TopKeys } from '../insight/top-keys.ts'
import { withDeadline } from '../lib/deadline.ts'
import type { Logger } from '../observability/logger.ts'
import { refusalReport } from '../observability/refusal-report.ts'
import type { RedisClient } from '../redis/connection/connection.ts'
import { failureReasonOf } from '../redis/connection/failure-reason.ts'
import { RedisDenialStore } from '../redis/insight/redis-denial-store.ts'
import { RedisKeyCountStore } from '../redis/insight/redis-key-count-store.ts'
import { RedisOutcomeStore } from '../redis/insight/redis-outcome-store.ts'
import type { Env } from '../settings/env.ts'
import type { InsightOfChecks } from './both-observe.ts'

/** How long after the end of an interval a process sends its report at most, in ms. */
const MAX_DELAY_MS = 500

const DENIAL_INTERVAL_MS = 1_000
/** A report may take as long as a check, and at least this long, in ms. */
const MIN_TIMEOUT_MS = 1_000

export interface InsightObserver {
  /** A report was lost, since the bucket store did not take it. */
  reportLost(report: 'counts' | 'denials'): void
}

interface InsightOptions {
  readonly redis: RedisClient
  readonly env: Env
  readonly observer: InsightObserver
  /** Aborts when the process is about to close: what waits for long then is refused. */
  readonly closing: AbortSignal
  readonly logger: Logger
}

export interface InsightParts {
  readonly checks: InsightOfChecks
  readonly routes: StatsRouteOptions & TopRouteOptions & DenialsRouteOptions
  start(): void
  /** Sends what has gathered. */
  close(): Promise<void>
}

export function composeInsight({ redis, env, observer, closing, logger }: InsightOptions): InsightParts {
  const keepsKeys = env.LOG_KEYS !== 'none'
  const outcomes = new RedisOutcomeStore(redis, env.KEY_PREFIX)
  const keyCounts = new RedisKeyCountStore(redis, env.KEY_PREFIX)
  const denials = new RedisDenialStore(redis, env.KEY_PREFIX, env.DENIALS_KEPT)
  const timeoutMs = Math.max(MIN_TIMEOUT_MS, env.REDIS_TIMEOUT_MS)
  const counts = new CheckCounts({ outcomes, keyCounts, keys: keepsKeys ? new KeyTally() : undefined, timeoutMs })
  const sample = keepsKeys ? new DenialSample(Date.now) : undefined

  const reasonOf = failureReasonOf(redis)
  const reporting = (report: 'counts' | 'denials', log: ReturnType<typeof refusalReport>) => ({
    delayMs: Math.random() * MAX_DELAY_MS,
    onSent: (failure?: unknown) => {
      log(failure === undefined ? undefined : reasonOf(failure))
      if (failure !== undefined) observer.reportLost(report)
    },
    now: Date.now,
  })
  const reports = [
    new PeriodicReports({
      ...reporting('counts', refusalReport(logger, COUNTS_MESSAGES)),
      intervalMs: FINE_GRAIN.ms,
      take: (startedAtMs, nowMs) => counts.take(startedAtMs, nowMs),
      send: report => counts.send(report),
    }),
    new PeriodicReports({
      ...reporting('denials', refusalReport(logger, DENIALS_MESSAGES)),
      intervalMs: DENIAL_INTERVAL_MS,
      take: (_startedAtMs, nowMs) => sample?.take(nowMs),
      send: sampled => withDeadline(denials.add(sampled), timeoutMs),
    }),
  ]

  return {
    checks: {
      decided: (decision, _seconds, requestId) => {
        counts.decided(decision)
        sample?.decided(decision, requestId)
      },
      undecided: () => counts.undecided(),
      settled: key => counts.settled(key),
    },
    routes: {
      // Each with reads of its own: a plot of checks does not wait for lists of keys.
      outcomes: new OutcomeHistory({ store: outcomes, reads: new PacedReads(closing), now: Date.now }),
      topKeys: keepsKeys ? new TopKeys({ store: keyCounts, reads: new PacedReads(closing), now: Date.now }) : undefined,
      denials: keepsKeys ? denials : undefined,
    },
    start: () => {
      for (const report of reports) report.start()
    },
    close: async () => {
      await Promise.all(reports.map(report => report.stop()))
    },
  }
}

const COUNTS_MESSAGES = {
  refused: 'the bucket store takes no counts of checks: /stats and /top lack those of this process',
  accepted: 'the bucket store takes counts of checks again',
}

const DENIALS_MESSAGES = {
  refused: 'the bucket store takes no denials: /denials lacks those of this process',
  accepted: 'the bucket store takes denials again',
}
