import type { MetricsSnapshot } from './messages.ts'
import type { ParentLink } from './parent-link.ts'
import { ScrapeClient } from './scrape-client.ts'

/** What the processes count that run beside the front, of which only the parent knows. */
export class RelayedMetrics {
  readonly #client: ScrapeClient<MetricsSnapshot>
  #last: MetricsSnapshot = []

  constructor(parent: ParentLink) {
    this.#client = new ScrapeClient(parent, message =>
      message.type === 'collected' ? { id: message.id, value: message.metrics } : undefined,
    )
  }

  /** While the parent does not answer, what it said last counts. */
  async collect(): Promise<MetricsSnapshot> {
    this.#last = await this.#client.scrape().catch(() => this.#last)
    return this.#last
  }
}
