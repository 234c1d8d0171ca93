import type { FrontGauges } from '../../src/front/front-metrics.ts'

/** Gauges of a process that has nothing yet. */
export const NO_GAUGES: FrontGauges = {
  policies: () => 0,
  circuitState: () => 0,
  isConfigStoreUp: async () => true,
  queueJobs: async () => ({}),
  queueWaitsMs: () => new Map(),
}
