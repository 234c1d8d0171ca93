import type { ChildProcess } from 'node:child_process'
import type { Logger } from '../logger.ts'
import { FleetMetrics } from './fleet-metrics.ts'
import type { FromChild, ToChild } from './messages.ts'
import { SupervisedProcess } from './supervised-process.ts'

/** How long a scrape waits for the metrics of a process, which may be busy or dying; then those known last count, ms. */
const COLLECT_TIMEOUT_MS = 1_000

interface FrontFleetOptions {
  readonly size: number
  spawn(): ChildProcess
  readonly stopTimeoutMs: number
  readonly logger: Logger
}

/** All front processes: starts, replaces and stops them, and speaks for them together. */
export class FrontFleet {
  readonly #logger: Logger
  readonly #slots: readonly SupervisedProcess[]
  readonly #metrics: FleetMetrics
  #replacing = Promise.resolve()

  constructor({ size, spawn, stopTimeoutMs, logger }: FrontFleetOptions) {
    this.#logger = logger
    this.#slots = Array.from(
      { length: size },
      () => new SupervisedProcess({ name: 'front', spawn, logger, stopTimeoutMs }),
    )
    this.#metrics = new FleetMetrics(() => this.#processes().length)
    for (const slot of this.#slots) {
      slot.on('message', (message, child) => this.#receive(message, child))
      slot.on('gone', child => this.#metrics.depart(child.pid ?? 0))
    }
  }

  /** Resolves once all are ready. @throws {CannotStart} */
  async start(): Promise<void> {
    await Promise.all(this.#slots.map(slot => slot.start()))
  }

  /**
   * Replaces the processes one by one; a call while another is under way runs after it.
   * @param drainMs for how long at most those who are connected to a predecessor are still answered by it
   */
  replaceAll(drainMs: number): Promise<void> {
    this.#replacing = this.#replacing.then(async () => {
      this.#logger.info('replacing all front processes')
      for (const slot of this.#slots) await slot.replace(drainMs)
      await Promise.all(this.#slots.map(slot => slot.predecessorsGone()))
      this.#logger.info('all front processes are replaced')
    })
    return this.#replacing
  }

  async stop(drainMs: number): Promise<void> {
    await Promise.all(this.#slots.map(slot => slot.stop(drainMs)))
  }

  #receive(message: FromChild, child: ChildProcess): void {
    if (message.type === 'metrics') this.#metrics.update(child.pid ?? 0, message.metrics)
    if (message.type === 'scrape') void this.#scrape(message.id, child)
  }

  async #scrape(id: number, asker: ChildProcess): Promise<void> {
    await Promise.all(this.#slots.map(slot => this.#collect(slot)))
    const text = await this.#metrics.render()
    if (asker.connected) asker.send({ type: 'scraped', id, text } satisfies ToChild)
  }

  #collect(slot: SupervisedProcess): Promise<void> {
    return new Promise(resolve => {
      const finish = () => {
        clearTimeout(deadline)
        slot.off('message', listener)
        slot.off('gone', finish)
        resolve()
      }
      const listener = (message: FromChild) => message.type === 'metrics' && finish()
      const deadline = setTimeout(finish, COLLECT_TIMEOUT_MS)
      slot.on('message', listener)
      slot.on('gone', finish)
      slot.send({ type: 'collect' })
    })
  }

  #processes(): readonly ChildProcess[] {
    return this.#slots.flatMap(({ current }) => current ?? [])
  }
}
