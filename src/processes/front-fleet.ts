import type { ChildProcess } from 'node:child_process'
import { shareNextRun } from '../lib/share-runs.ts'
import { withLast } from '../lib/with-last.ts'
import type { Logger } from '../observability/logger.ts'
import { SCRAPE_INTERVAL_MS } from '../observability/process-metrics.ts'
import { sendAndFlushTo, sendTo } from './child-process.ts'
import { FairHandovers } from './fair-handovers.ts'
import { FleetHealth } from './fleet-health.ts'
import { FleetMetrics } from './fleet-metrics.ts'
import { keepFrontCount } from './keep-front-count.ts'
import { keepQueueObservations } from './keep-queue-observations.ts'
import type { MetricsSnapshot } from './messages.ts'
import { PrimaryMetrics } from './primary-metrics.ts'
import { SupervisedProcess } from './supervised-process.ts'

interface FrontFleetOptions {
  readonly size: number
  spawn(): ChildProcess
  /** New connections that may wait for a process. */
  readonly maxWaitingConnections: number
  readonly stopTimeoutMs: number
  /** How long to wait for a process to report the state of its stores, in ms. */
  readonly healthTimeoutMs: number
  /** How long a replaced process keeps serving its open connections, in ms. */
  readonly replacedDrainMs: number
  /** Called right before a process listens through node:cluster. */
  onAboutToListen(): void
  /** Called at the first quota of a process. */
  onQuotaFound(): void
  /** The last metrics that the supervisor sent; empty without one. */
  supervisorMetrics(): MetricsSnapshot
  /** The reasons for which a circuit to the bucket store can open. */
  readonly circuitOpeningReasons: readonly string[]
  readonly logger: Logger
}

/** All front processes: starts, replaces and stops them, and answers for their metrics and health. */
export class FrontFleet {
  readonly #logger: Logger
  readonly #slots: readonly SupervisedProcess[]
  readonly #metrics: FleetMetrics
  readonly #health: FleetHealth
  readonly #drainMs: number
  /** The processes that have loaded the policies. */
  readonly #knowing = new WeakSet<ChildProcess>()
  /** Those that were started before the last request to replace all. */
  readonly #outdated = new WeakSet<ChildProcess>()
  /** All have been ready. Before, none may wait for the others: the start would not end. */
  #isStarted = false

  constructor(options: FrontFleetOptions) {
    const { size, spawn, stopTimeoutMs, onAboutToListen, onQuotaFound, logger } = options
    this.#logger = logger
    this.#drainMs = options.replacedDrainMs
    this.#slots = Array.from(
      { length: size },
      () => new SupervisedProcess({ name: 'front', spawn, logger, stopTimeoutMs }),
    )
    const own = new PrimaryMetrics(this.#slots, options.circuitOpeningReasons)
    const handovers = new FairHandovers({
      maxWaiting: options.maxWaitingConnections,
      onRefused: () => own.connectionRefused(),
      onLost: () =>
        logger.error(
          { process: 'front' },
          'a connection was closed: the process that was to serve it has no file descriptors left',
        ),
    })
    this.#metrics = new FleetMetrics({
      slots: this.#slots,
      others: async () => [await own.registry.getMetricsAsJSON(), options.supervisorMetrics()],
      intervalMs: SCRAPE_INTERVAL_MS,
    })
    this.#health = new FleetHealth(this.#slots, options.healthTimeoutMs)
    keepQueueObservations(this.#slots)
    keepFrontCount(this.#slots)
    for (const slot of this.#slots) {
      slot.on('spawned', child => handovers.include(child))
      slot.on('message', (message, child) => {
        if (message.type === 'scrape') void this.#answerScrape(message.id, child)
        if (message.type === 'query-health') void this.#answerHealth(message.id, child)
        if (message.type === 'knows-policies') this.#knowing.add(child)
        if (message.type === 'query-others') void this.#answerOthers(message.id, child, slot)
        if (message.type === 'end-handovers') void this.#endHandovers(handovers, message.id, child)
        if (message.type === 'about-to-listen') onAboutToListen()
        if (message.type === 'quota-found') onQuotaFound()
      })
    }
  }

  /** Resolves once all are ready. @throws {CannotStart} */
  async start(): Promise<void> {
    await Promise.all(this.#slots.map(slot => slot.start()))
    this.#isStarted = true
  }

  /** Replaces the processes one by one. Requests that arrive meanwhile share one further round. */
  replaceAll(): void {
    for (const { current } of this.#slots) if (current !== undefined) this.#outdated.add(current)
    void this.#replaceAllNext()
  }

  readonly #replaceAllNext = shareNextRun(() => this.#replaceAllNow())

  async #replaceAllNow(): Promise<void> {
    this.#logger.info('replacing all front processes')
    for (const slot of this.#slots) await slot.replace(this.#drainMs)
    await Promise.all(this.#slots.map(slot => slot.whenPredecessorsExited()))
    this.#logger.info('all front processes are replaced')
  }

  /** Resolves with whether all processes stopped in order. */
  async stop(drainMs: number): Promise<boolean> {
    const stopped = await Promise.all(this.#slots.map(slot => slot.stop(drainMs)))
    return stopped.every(isInOrder => isInOrder)
  }

  async #answerScrape(id: number, asker: ChildProcess): Promise<void> {
    for (const { item: text, isLast } of withLast(await this.#metrics.collect())) {
      await sendAndFlushTo(asker, { type: 'scraped', id, text, isLast })
    }
  }

  async #answerHealth(id: number, asker: ChildProcess): Promise<void> {
    sendTo(asker, { type: 'health', id, health: await this.#health.current() })
  }

  async #endHandovers(handovers: FairHandovers, id: number, asker: ChildProcess): Promise<void> {
    await handovers.end(asker)
    sendTo(asker, { type: 'handovers-ended', id })
  }

  async #answerOthers(id: number, asker: ChildProcess, slot: SupervisedProcess): Promise<void> {
    const others = this.#slots.flatMap(({ working }) => working).filter(child => child !== asker)
    const knowPolicies = others.some(child => this.#knowing.has(child))
    const reachStore = this.#isStarted && (await this.#health.isStoreReachedBy(others))
    sendTo(asker, { type: 'others', id, knowPolicies, reachStore })
    // The asker lacks what others have. It may have read a wrong file, which was corrected before the last request to replace all.
    if ((knowPolicies || reachStore) && this.#outdated.has(asker)) slot.restart(asker)
  }
}
