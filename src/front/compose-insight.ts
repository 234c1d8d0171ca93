/** Connects the ports of insight to their adapters: what checks come to, reported to the bucket store for all instances. */
import type { CheckObserver } from '../check/ports.ts'
import type { StatsRouteOptions } from '../insight/http/stats.route.ts'
import { OutcomeTally } from '../insight/outcome-tally.ts'
import { PeriodicReports } from '../insight/periodic-reports.ts'
import { FINE_GRAIN } from '../insight/ports.ts'
import { withDeadline } from '../lib/deadline.ts'
import type { Logger } from '../observability/logger.ts'
import { refusalReport } from '../observability/refusal-report.ts'
import type { RedisClient } from '../redis/connection/connection.ts'
import { failureReasonOf } from '../redis/connection/failure-reason.ts'
import { RedisOutcomeStore } from '../redis/insight/redis-outcome-store.ts'
import type { Env } from '../settings/env.ts'

/** How long after the end of an interval a process sends its report at most, in ms. */
const MAX_DELAY_MS = 500

/** Longest time of one call of the bucket store, in ms. */
const TIMEOUT_MS = 1_000

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
  readonly routes: StatsRouteOptions
  start(): void
  /** Sends what has gathered. */
  close(): Promise<void>
}

export function composeInsight({ redis, env, observer, logger }: InsightOptions): InsightParts {
  const outcomeStore = new RedisOutcomeStore(redis, env.KEY_PREFIX)
  const outcomes = new OutcomeTally()
  const reasonOf = failureReasonOf(redis)
  const countsLog = refusalReport(logger, {
    refused: 'the bucket store takes no counts of checks: /stats and /top lack those of this process',
    accepted: 'the bucket store takes counts of checks again',
  })
  const counts = new PeriodicReports({
    intervalMs: FINE_GRAIN.ms,
    delayMs: Math.random() * MAX_DELAY_MS,
    take: startedAtMs => {
      const taken = outcomes.take()
      return taken && { startedAtMs, outcomes: taken }
    },
    send: report => withDeadline(outcomeStore.add(report.startedAtMs, report.outcomes), TIMEOUT_MS),
    onSent: failure => {
      countsLog(failure === undefined ? undefined : reasonOf(failure))
      if (failure !== undefined) observer.reportLost('counts')
    },
    now: Date.now,
  })

  return {
    checks: {
      decided: decision => outcomes.decided(decision),
      undecided: () => outcomes.undecided(),
    },
    routes: { outcomes: outcomeStore },
    start: () => counts.start(),
    close: () => counts.stop(),
  }
}
