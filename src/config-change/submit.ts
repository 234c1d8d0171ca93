import { randomUUID } from 'node:crypto'
import { type Command, commandId, type NewCommand } from '../domain/commands.ts'
import type { Outcome } from '../domain/outcome.ts'
import type { OutcomeWaiters } from './outcome-waiters.ts'
import type { CommandQueue } from './ports.ts'
import { orUnavailable } from './unavailable.ts'

export interface Submission {
  readonly commandId: string
  /** Absent when nobody waited, or not for long enough. */
  readonly outcome?: Outcome
}

interface SubmitOptions {
  readonly requestId: string
  /** How long to wait for the outcome, ms; 0 not at all. */
  readonly waitMs: number
}

/** Accepts commands: from when `submit` has queued one, it is applied or rejected, whatever crashes. */
export class CommandSubmitter {
  readonly #queue: CommandQueue
  readonly #waiters: OutcomeWaiters

  constructor(queue: CommandQueue, waiters: OutcomeWaiters) {
    this.#queue = queue
    this.#waiters = waiters
  }

  /** @throws {Problem} `config-store-unavailable`: not known to be accepted */
  async submit(asked: NewCommand, { requestId, waitMs }: SubmitOptions): Promise<Submission> {
    const command: Command = { ...asked, id: commandId(asked.key, randomUUID()) }
    if (waitMs === 0) {
      await orUnavailable(this.#queue.add(command, requestId))
      return { commandId: command.id }
    }
    const outcome = this.#waiters.wait(command.id, waitMs)
    try {
      await orUnavailable(this.#queue.add(command, requestId))
    } catch (err) {
      this.#waiters.forget(command.id)
      throw err
    }
    const ended = await outcome
    return { commandId: command.id, ...(ended && { outcome: ended }) }
  }
}
