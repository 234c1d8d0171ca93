import { collectDefaultMetrics, type Registry } from 'prom-client'

/** Gauges that are named like counters; each repeats the sum of a labelled gauge that stays. */
const MISNAMED = ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total']

/** Node's default metrics of this process. @see https://github.com/siimon/prom-client#default-metrics */
export function collectProcessMetrics(registry: Registry): void {
  collectDefaultMetrics({ register: registry })
  for (const name of MISNAMED) registry.removeSingleMetric(name)
}
