import type { CommandId } from '../../domain/command-id.ts'
import type { PolicyEvent } from '../../domain/events.ts'
import type { CommandResult } from '../../domain/outcome.ts'

/** In ms. Announcements can be lost, so a waiting request also asks the store at this interval. */
const POLL_INTERVAL_MS = 1000

interface ResultWaitersOptions {
  /** Asks the store. */
  find(id: CommandId): Promise<CommandResult | undefined>
}

/** The result of a command, with its event if this process has read it meanwhile. */
export interface Settled {
  readonly result: CommandResult
  readonly event: PolicyEvent | undefined
}

export interface Wait {
  /** `undefined` if the command has not ended in time, or if the process stops. */
  readonly settled: Promise<Settled | undefined>
  cancel(): void
}

/** Those who wait for one command. */
interface Waiting {
  readonly finishers: Set<(settled?: Settled) => void>
  event?: PolicyEvent
}

/** Requests that wait for the result of their command: entries in a map, which the announcement of the result releases. */
export class ResultWaiters {
  readonly #options: ResultWaitersOptions
  readonly #waiting = new Map<string, Waiting>()
  #isOver = false

  constructor(options: ResultWaitersOptions) {
    this.#options = options
  }

  wait(id: CommandId, timeoutMs: number): Wait {
    if (this.#isOver) return { settled: Promise.resolve(undefined), cancel: () => undefined }
    const waiting: Waiting = this.#waiting.get(id) ?? { finishers: new Set() }
    this.#waiting.set(id, waiting)
    let cancel = () => {}
    const settled = new Promise<Settled | undefined>(resolve => {
      const finish = (settled?: Settled) => {
        clearTimeout(deadline)
        clearInterval(poll)
        waiting.finishers.delete(finish)
        if (waiting.finishers.size === 0) this.#waiting.delete(id)
        resolve(settled)
      }
      const deadline = setTimeout(() => finish(), timeoutMs)
      const poll = setInterval(() => this.#poll(id), POLL_INTERVAL_MS)
      waiting.finishers.add(finish)
      cancel = finish
    })
    return { settled, cancel: () => cancel() }
  }

  /** The process enforces this event. It is kept for those who wait for its command, so that they need not read it again. */
  eventApplied(event: PolicyEvent): void {
    const waiting = this.#waiting.get(event.commandId)
    if (waiting !== undefined) waiting.event = event
  }

  settle(result: CommandResult): void {
    const waiting = this.#waiting.get(result.id)
    for (const finish of waiting?.finishers ?? []) finish({ result, event: waiting?.event })
  }

  /** Asks the store for the result of a command, and releases those who wait for it. */
  async find(id: CommandId): Promise<CommandResult | undefined> {
    const result = await this.#options.find(id)
    if (result !== undefined) this.settle(result)
    return result
  }

  /** Asks the store for every awaited result, since announcements may have been missed. */
  findAll(): void {
    for (const id of this.#waiting.keys()) void this.#poll(id as CommandId)
  }

  /** Ends all waits: the process is about to stop. */
  end(): void {
    this.#isOver = true
    for (const { finishers } of this.#waiting.values()) for (const finish of finishers) finish()
  }

  /** While the store is unavailable, a request waits until its own deadline. */
  async #poll(id: CommandId): Promise<void> {
    await this.find(id).catch(() => undefined)
  }
}
