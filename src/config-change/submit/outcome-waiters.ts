import type { CommandResult } from '../../domain/outcome.ts'

/** Announcements can be lost; a waiting request looks for itself this often, ms. */
const POLL_INTERVAL_MS = 1000

interface OutcomeWaitersOptions {
  /** Asks the store. */
  find(commandId: string): Promise<CommandResult | undefined>
}

export interface Wait {
  /** How the command ended, or `undefined` when it has not in time or nobody waits any more. */
  readonly ended: Promise<CommandResult | undefined>
  cancel(): void
}

/** Requests that wait for the outcome of their command: an entry in a map, released by the announcement. */
export class OutcomeWaiters {
  readonly #options: OutcomeWaitersOptions
  readonly #waiting = new Map<string, Set<(ending?: CommandResult) => void>>()
  #isOver = false

  constructor(options: OutcomeWaitersOptions) {
    this.#options = options
  }

  wait(commandId: string, timeoutMs: number): Wait {
    if (this.#isOver) return { ended: Promise.resolve(undefined), cancel: () => undefined }
    const finishers = this.#waiting.get(commandId) ?? new Set()
    this.#waiting.set(commandId, finishers)
    let cancel = () => {}
    const ended = new Promise<CommandResult | undefined>(resolve => {
      const finish = (ending?: CommandResult) => {
        clearTimeout(deadline)
        clearInterval(poll)
        finishers.delete(finish)
        if (finishers.size === 0) this.#waiting.delete(commandId)
        resolve(ending)
      }
      const deadline = setTimeout(() => finish(), timeoutMs)
      const poll = setInterval(() => this.#poll(commandId), POLL_INTERVAL_MS)
      finishers.add(finish)
      cancel = finish
    })
    return { ended, cancel: () => cancel() }
  }

  settle(ending: CommandResult): void {
    for (const finish of this.#waiting.get(ending.id) ?? []) finish(ending)
  }

  /** Announcements may have been missed: everybody who waits looks at once. */
  lookAll(): void {
    for (const commandId of this.#waiting.keys()) void this.#poll(commandId)
  }

  /** Lets nobody wait any more: the process is about to stop. */
  end(): void {
    this.#isOver = true
    for (const finishers of this.#waiting.values()) for (const finish of finishers) finish()
  }

  async #poll(commandId: string): Promise<void> {
    try {
      const ending = await this.#options.find(commandId)
      if (ending !== undefined) this.settle(ending)
    } catch {
      // The store is away; the request goes on waiting until its own deadline.
    }
  }
}
