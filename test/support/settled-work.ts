import { setTimeout as sleep } from 'node:timers/promises'
import type { Client } from './client.ts'

const RETRY_MS = 100

interface SettledWorkOptions {
  readonly client: Client
  readonly key: string
  readonly callers: number
  readonly estimate: number
  /** The smallest and the largest actual cost. */
  readonly costs: readonly [least: number, most: number]
  readonly mostWorkMs: number
}

/** Callers that reserve the same estimate for each piece of work, and settle costs that differ from it. */
export class SettledWork {
  settled = 0
  denied = 0
  /** The sum of the costs, and of what was charged. */
  cost = 0
  charged = 0
  readonly #options: SettledWorkOptions

  constructor(options: SettledWorkOptions) {
    this.#options = options
  }

  /** Resolves once all work that was begun within this time is settled. */
  async runFor(ms: number): Promise<void> {
    const untilMs = performance.now() + ms
    const work = async () => {
      while (performance.now() < untilMs) await this.#work(untilMs)
    }
    await Promise.all(Array.from({ length: this.#options.callers }, work))
  }

  async #work(untilMs: number): Promise<void> {
    const { client, key, estimate, mostWorkMs, costs } = this.#options
    const { status, body } = await client.request('POST', '/reservations', { key, tokens: estimate })
    if (status === 429) {
      this.denied++
      // As callers should: whoever waits any shorter is denied again.
      await sleep(Math.min(body.retryAfterMs * (1 + Math.random()), untilMs - performance.now()))
      return
    }
    // A busy machine may make the store look slow.
    if (status === 503) return sleep(RETRY_MS)
    await sleep(mostWorkMs * Math.random())
    const tokens = Math.round(costs[0] + (costs[1] - costs[0]) * Math.random())
    const charged = await this.#settle(body.id, tokens)
    this.charged += charged
    this.settled++
    this.cost += tokens
  }

  /** Asks until there is an answer. Resolves with what was charged. */
  async #settle(id: string, tokens: number): Promise<number> {
    for (;;) {
      const { status, body } = await this.#options.client.request('POST', `/reservations/${id}/settle`, { tokens })
      if (status !== 503) return body.checks[0].charged
      await sleep(RETRY_MS)
    }
  }
}
