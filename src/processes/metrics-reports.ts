import type { Registry } from 'prom-client'
import { withLast } from '../lib/with-last.ts'
import type { MetricsReport, MetricsSnapshot } from './messages.ts'
import { piecesOf } from './metrics-pieces.ts'
import type { ParentLink } from './parent-link.ts'

/**
 * Reports the metrics of this process to its parent, a piece for each question. A primary of release 0.1.0, which stays when its front
 * processes are replaced, asks for all at once.
 */
export class MetricsReports {
  readonly #registry: Registry
  readonly #parent: ParentLink
  #pieces: Iterator<MetricsReport> | undefined
  /** The piece that the parent may ask for. */
  #next = 0
  #isAskedForAll = false
  #final: Promise<void> | undefined

  constructor(registry: Registry, parent: ParentLink) {
    this.#registry = registry
    this.#parent = parent
    parent.onMessage(message => message.type === 'collect' && void this.#answer(message.index))
  }

  /** Reports for the last time, unasked. Resolves once all is written. */
  sendFinal(): Promise<void> {
    this.#final ??= this.#sendAll()
    return this.#final
  }

  async #answer(index: number | undefined): Promise<void> {
    this.#isAskedForAll = index === undefined
    if (this.#isAskedForAll) return this.#sendAll()
    if (index === 0) await this.#begin()
    // The parent may have given up a report, or this process may have begun its last one.
    if (this.#final !== undefined || index !== this.#next) return
    const report = this.#pieces?.next().value
    if (report === undefined) return
    this.#next++
    this.#parent.send(report)
  }

  async #begin(): Promise<void> {
    this.#pieces = undefined
    this.#pieces = reports(await this.#registry.getMetricsAsJSON())
    this.#next = 0
  }

  async #sendAll(): Promise<void> {
    const metrics = await this.#registry.getMetricsAsJSON()
    if (this.#isAskedForAll) return this.#parent.sendAndFlush({ type: 'metrics', metrics })
    for (const report of reports(metrics)) await this.#parent.sendAndFlush(report)
  }
}

function* reports(metrics: MetricsSnapshot): Generator<MetricsReport> {
  let index = 0
  for (const { item, isLast } of withLast(piecesOf(metrics))) {
    yield { type: 'metrics-piece', index: index++, piece: item, isLast }
  }
}
