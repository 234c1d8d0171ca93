import { metricsOfPeers } from './instance-queries.ts'
import type { MetricsSnapshot } from './messages.ts'
import type { ParentLink } from './parent-link.ts'
import type { ParentQuery } from './parent-query.ts'

/** What the processes count that run beside the front, of which only the parent knows. */
export class RelayedMetrics {
  readonly #query: ParentQuery<MetricsSnapshot>
  #last: MetricsSnapshot = []

  constructor(parent: ParentLink) {
    this.#query = metricsOfPeers(parent)
  }

  /** While the parent does not answer, what it said last counts. */
  async collect(): Promise<MetricsSnapshot> {
    this.#last = await this.#query.ask().catch(() => this.#last)
    return this.#last
  }
}
