import { Counter, Registry } from 'prom-client'
import { collectProcessMetrics } from '../src/observability/process-metrics.ts'

/** Label of jobs that this service did not queue: their names could be anything. */
const UNKNOWN_TYPE = 'unknown'

/** The label of each type, by its name in the queue. */
const TYPES: Readonly<Record<string, string>> = {
  put: 'put',
  delete: 'delete',
  rollback: 'rollback',
  expire: 'expire',
  'import-part': 'import',
}

const ENDS = ['applied', 'rejected', 'failed'] as const

/** How a command left the worker. */
export type CommandEnd = (typeof ENDS)[number]

/** The metrics of a worker, served on its own port only. Every series exists from the start. */
export class WorkerMetrics {
  readonly #registry = new Registry()
  readonly #commands = new Counter({
    name: 'throttler_config_commands_total',
    help: 'Commands that ended, by type and outcome',
    labelNames: ['type', 'outcome'] as const,
    registers: [this.#registry],
  })

  constructor() {
    collectProcessMetrics(this.#registry)
    for (const type of [...Object.values(TYPES), UNKNOWN_TYPE]) {
      for (const outcome of ENDS) this.#commands.inc({ type, outcome }, 0)
    }
  }

  /** @param type as the queue names it; an import is one command for each partition */
  commandEnded(type: string, outcome: CommandEnd): void {
    this.#commands.inc({ type: TYPES[type] ?? UNKNOWN_TYPE, outcome })
  }

  /** Prometheus text, with Node's metrics of this process. */
  text(): Promise<string> {
    return this.#registry.metrics()
  }
}
