import { Counter, Registry } from 'prom-client'
import { collectProcessMetrics } from '../src/observability/process-metrics.ts'
import type { MetricsSnapshot } from '../src/processes/messages.ts'

/** The labels of commands. Another program may put anything into a queue. */
const TYPES: Readonly<Record<string, string>> = {
  put: 'put',
  delete: 'delete',
  rollback: 'rollback',
  'import-part': 'import',
}

/** How a command left the worker. */
export type CommandEnd = 'applied' | 'rejected' | 'failed'

/** The metrics of a worker. */
export class WorkerMetrics {
  readonly #own = new Registry()
  readonly #process = new Registry()
  readonly #commands = new Counter({
    name: 'throttler_config_commands_total',
    help: 'Commands that ended, by type and outcome',
    labelNames: ['type', 'outcome'] as const,
    registers: [this.#own],
  })

  constructor() {
    collectProcessMetrics(this.#process)
  }

  /** @param type as the queue names it; an import is one command for each partition */
  commandEnded(type: string, outcome: CommandEnd): void {
    this.#commands.inc({ type: TYPES[type] ?? 'unknown', outcome })
  }

  /** Prometheus text, with Node's metrics of this process. */
  text(): Promise<string> {
    return Registry.merge([this.#own, this.#process]).metrics()
  }

  /** Without those of the process, which are of no meaning summed up with those of fronts. */
  snapshot(): Promise<MetricsSnapshot> {
    return this.#own.getMetricsAsJSON() as Promise<MetricsSnapshot>
  }
}
