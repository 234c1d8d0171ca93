import type { ChildProcess } from 'node:child_process'
import { AggregatorRegistry } from 'prom-client'
import { shareNextRun } from '../lib/share-runs.ts'
import type { Logger } from '../observability/logger.ts'
import { tell } from './child-process.ts'
import { FleetHealth } from './fleet-health.ts'
import { FleetMetrics } from './fleet-metrics.ts'
import type { MetricsSnapshot } from './messages.ts'
import { PrimaryMetrics } from './primary-metrics.ts'
import { SupervisedProcess } from './supervised-process.ts'

/** The shortest time from one collection of all metrics to the next, in ms: however many ask, checks hardly feel it. */
const SCRAPE_INTERVAL_MS = 100

interface FrontFleetOptions {
  readonly size: number
  spawn(): ChildProcess
  readonly stopTimeoutMs: number
  /** The longest wait for a process to say how it sees its stores, in ms. */
  readonly healthTimeoutMs: number
  /** How long a process that is replaced goes on answering those who are connected to it, ms. */
  readonly replacedDrainMs: number
  /** A process is about to listen, and does so, through node:cluster, right after this. */
  listensNext(): void
  /** The last metrics that the supervisor sent; empty without one. */
  supervisorMetrics(): MetricsSnapshot
  /** Why circuits to the bucket store open. */
  readonly circuitOpeningReasons: readonly string[]
  readonly logger: Logger
}

/** All front processes: starts, replaces and stops them, and speaks for them together. */
export class FrontFleet {
  readonly #logger: Logger
  readonly #slots: readonly SupervisedProcess[]
  readonly #metrics: FleetMetrics
  readonly #health: FleetHealth
  readonly #supervisorMetrics: () => MetricsSnapshot
  readonly #own: PrimaryMetrics
  readonly #drainMs: number

  constructor(options: FrontFleetOptions) {
    const { size, spawn, stopTimeoutMs, listensNext, logger } = options
    this.#logger = logger
    this.#drainMs = options.replacedDrainMs
    this.#supervisorMetrics = options.supervisorMetrics
    this.#slots = Array.from(
      { length: size },
      () => new SupervisedProcess({ name: 'front', spawn, logger, stopTimeoutMs }),
    )
    this.#metrics = new FleetMetrics(this.#slots)
    this.#own = new PrimaryMetrics(this.#slots, options.circuitOpeningReasons)
    this.#health = new FleetHealth(this.#slots, options.healthTimeoutMs)
    for (const slot of this.#slots) {
      slot.on('message', (message, child) => {
        if (message.type === 'scrape') void this.#answerScrape(message.id, child)
        if (message.type === 'ask-health') void this.#answerHealth(message.id, child)
        if (message.type === 'listens-next') listensNext()
      })
    }
  }

  /** Resolves once all are ready. @throws {CannotStart} */
  async start(): Promise<void> {
    await Promise.all(this.#slots.map(slot => slot.start()))
  }

  /** Replaces the processes one by one; those who ask meanwhile share the next round. */
  readonly replaceAll = shareNextRun(() => this.#replaceAllNow())

  async #replaceAllNow(): Promise<void> {
    this.#logger.info('replacing all front processes')
    for (const slot of this.#slots) await slot.replace(this.#drainMs)
    await Promise.all(this.#slots.map(slot => slot.predecessorsGone()))
    this.#logger.info('all front processes are replaced')
  }

  async stop(drainMs: number): Promise<void> {
    await Promise.all(this.#slots.map(slot => slot.stop(drainMs)))
  }

  async #answerScrape(id: number, asker: ChildProcess): Promise<void> {
    tell(asker, { type: 'scraped', id, text: await this.#metricsText() })
  }

  async #answerHealth(id: number, asker: ChildProcess): Promise<void> {
    tell(asker, { type: 'health', id, health: await this.#health.current() })
  }

  readonly #metricsText = shareNextRun(() => this.#collectText(), SCRAPE_INTERVAL_MS)

  async #collectText(): Promise<string> {
    const [fronts, own] = await Promise.all([this.#metrics.collect(), this.#own.registry.getMetricsAsJSON()])
    return AggregatorRegistry.aggregate([fronts, own, this.#supervisorMetrics()]).metrics()
  }
}
