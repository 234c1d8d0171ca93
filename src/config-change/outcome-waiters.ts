import type { Outcome } from '../domain/outcome.ts'

/** Announcements can be lost; a waiting request looks for itself this often, ms. */
const POLL_INTERVAL_MS = 1000

interface OutcomeWaitersOptions {
  /** Asks the store. */
  find(commandId: string): Promise<Outcome | undefined>
}

/** Requests that wait for the outcome of their command: an entry in a map, released by the announcement. */
export class OutcomeWaiters {
  readonly #options: OutcomeWaitersOptions
  readonly #waiting = new Map<string, (outcome?: Outcome) => void>()
  #ended = false

  constructor(options: OutcomeWaitersOptions) {
    this.#options = options
  }

  /** The outcome, or `undefined` when there is none after `timeoutMs`. */
  wait(commandId: string, timeoutMs: number): Promise<Outcome | undefined> {
    if (this.#ended) return Promise.resolve(undefined)
    return new Promise(resolve => {
      const finish = (outcome?: Outcome) => {
        clearTimeout(deadline)
        clearInterval(poll)
        this.#waiting.delete(commandId)
        resolve(outcome)
      }
      const deadline = setTimeout(() => finish(), timeoutMs)
      const poll = setInterval(() => this.#poll(commandId), POLL_INTERVAL_MS)
      this.#waiting.set(commandId, finish)
    })
  }

  settle(outcome: Outcome): void {
    this.#waiting.get(outcome.id)?.(outcome)
  }

  /** Ends the wait for a command that was not accepted. */
  forget(commandId: string): void {
    this.#waiting.get(commandId)?.()
  }

  /** Lets nobody wait any more: the process is about to stop. */
  end(): void {
    this.#ended = true
    for (const finish of this.#waiting.values()) finish()
  }

  async #poll(commandId: string): Promise<void> {
    try {
      const outcome = await this.#options.find(commandId)
      if (outcome !== undefined) this.settle(outcome)
    } catch {
      // The store is away; the request goes on waiting until its own deadline.
    }
  }
}
