import { Counter, Gauge, Registry } from 'prom-client'
import { refusedConnections } from '../observability/refused-connections.ts'
import { countReplacements } from './replacements.ts'
import type { SupervisedProcess } from './supervised-process.ts'

/** Metrics that the primary keeps about its front processes, so that they outlive each of them. */
export class PrimaryMetrics {
  readonly registry = new Registry()
  readonly #openings = new Counter({
    name: 'throttler_circuit_openings_total',
    help: 'Times that a circuit to the bucket store opened, by the reason of the last failure',
    labelNames: ['reason'] as const,
    registers: [this.registry],
  })
  readonly #connectionsRefused = refusedConnections(this.registry)

  /** @param openingReasons the reasons whose series exist from the start */
  constructor(slots: readonly SupervisedProcess[], openingReasons: readonly string[]) {
    countReplacements(slots, this.registry)
    for (const reason of openingReasons) this.#openings.inc({ reason }, 0)
    for (const slot of slots) {
      slot.on('message', message => message.type === 'circuit-opened' && this.#openings.inc({ reason: message.reason }))
    }
    new Gauge({
      name: 'throttler_front_processes',
      help: 'Front processes that serve',
      registers: [this.registry],
      collect() {
        this.set(slots.flatMap(({ working }) => working).length)
      },
    })
  }

  /** A new connection was closed: too many wait for a process. */
  connectionRefused(): void {
    this.#connectionsRefused.inc()
  }
}
