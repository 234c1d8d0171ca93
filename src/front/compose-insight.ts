/** Connects the ports of insight to their adapters: what checks come to, reported to the bucket store for all instances. */
import type { CheckObserver } from '../check/ports.ts'
import { CheckCounts } from '../insight/check-counts.ts'
import type { StatsRouteOptions } from '../insight/http/stats.route.ts'
import type { TopRouteOptions } from '../insight/http/top.route.ts'
import { KeyTally } from '../insight/key-tally.ts'
import { PeriodicReports } from '../insight/periodic-reports.ts'
import { FINE_GRAIN } from '../insight/ports.ts'
import { TopKeys } from '../insight/top-keys.ts'
import type { Logger } from '../observability/logger.ts'
import { refusalReport } from '../observability/refusal-report.ts'
import type { RedisClient } from '../redis/connection/connection.ts'
import { failureReasonOf } from '../redis/connection/failure-reason.ts'
import { RedisKeyCountStore } from '../redis/insight/redis-key-count-store.ts'
import { RedisOutcomeStore } from '../redis/insight/redis-outcome-store.ts'
import type { Env } from '../settings/env.ts'

/** How long after the end of an interval a process sends its report at most, in ms. */
const MAX_DELAY_MS = 500

export interface InsightObserver {
  /** A report was lost, since the bucket store did not take it. */
  reportLost(report: 'counts' | 'denials'): void
}

interface InsightOptions {
  readonly redis: RedisClient
  readonly env: Env
  readonly observer: InsightObserver
  readonly logger: Logger
}

export interface InsightParts {
  /** Told of each check. */
  readonly checks: Pick<CheckObserver, 'decided' | 'undecided'>
  readonly routes: StatsRouteOptions & TopRouteOptions
  start(): void
  /** Sends what has gathered. */
  close(): Promise<void>
}

export function composeInsight({ redis, env, observer, logger }: InsightOptions): InsightParts {
  const outcomes = new RedisOutcomeStore(redis, env.KEY_PREFIX)
  const keyCounts = new RedisKeyCountStore(redis, env.KEY_PREFIX)
  const keepsKeys = env.LOG_KEYS !== 'none'
  const counts = new CheckCounts({ outcomes, keyCounts, keys: keepsKeys ? new KeyTally() : undefined })
  const reasonOf = failureReasonOf(redis)
  const countsLog = refusalReport(logger, {
    refused: 'the bucket store takes no counts of checks: /stats and /top lack those of this process',
    accepted: 'the bucket store takes counts of checks again',
  })
  const countReports = new PeriodicReports({
    intervalMs: FINE_GRAIN.ms,
    delayMs: Math.random() * MAX_DELAY_MS,
    take: (startedAtMs, nowMs) => counts.take(startedAtMs, nowMs),
    send: report => counts.send(report),
    onSent: failure => {
      countsLog(failure === undefined ? undefined : reasonOf(failure))
      if (failure !== undefined) observer.reportLost('counts')
    },
    now: Date.now,
  })

  return {
    checks: {
      decided: decision => counts.decided(decision),
      undecided: () => counts.undecided(),
    },
    routes: { outcomes, topKeys: keepsKeys ? new TopKeys(keyCounts, Date.now) : undefined },
    start: () => countReports.start(),
    close: () => countReports.stop(),
  }
}
