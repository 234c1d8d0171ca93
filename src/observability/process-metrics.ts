import { collectDefaultMetrics, type Registry } from 'prom-client'

/** Minimum interval between two collections, in ms, so that frequent scrapes do not slow down other work. */
export const SCRAPE_INTERVAL_MS = 250

/** Gauges that are named like counters; each repeats the sum of a labelled gauge that stays. */
const MISNAMED = ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total']

/** Metrics that walk all connections of the process: 30 ms for 10,000, in one turn of the event loop. */
const EXPENSIVE = ['nodejs_active_handles', 'nodejs_active_resources', 'process_open_fds']

/** Age up to which an expensive metric is reported again, in ms. */
const EXPENSIVE_MAX_AGE_MS = 10_000

/** The undeclared member of metrics whose value is collected at a scrape. */
interface Collected {
  collect(): void
}

/** Node's default metrics of this process. @see https://github.com/siimon/prom-client#default-metrics */
export function collectProcessMetrics(registry: Registry): void {
  collectDefaultMetrics({ register: registry })
  for (const name of MISNAMED) registry.removeSingleMetric(name)
  for (const name of EXPENSIVE) {
    const metric = registry.getSingleMetric(name) as unknown as Collected | undefined
    // Only Linux tells the open file descriptors.
    if (metric !== undefined) collectSeldom(metric)
  }
}

function collectSeldom(metric: Collected): void {
  const collect = metric.collect.bind(metric)
  let collectedAt = Number.NEGATIVE_INFINITY
  metric.collect = () => {
    if (performance.now() - collectedAt < EXPENSIVE_MAX_AGE_MS) return
    collect()
    collectedAt = performance.now()
  }
}
