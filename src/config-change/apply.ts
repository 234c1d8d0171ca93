import { ExponentialBackoff, handleWhen, retry } from 'cockatiel'
import type { Command } from '../domain/commands.ts'
import { type CommandDecision, decide, type PolicyState } from '../domain/decider.ts'
import type { Outcome } from '../domain/outcome.ts'
import type { CommandLog } from './ports.ts'

interface CommandApplierOptions {
  readonly log: CommandLog
  now(): Date
  /** Whether an error of the log may be gone the next time. */
  isTransient(err: Error): boolean
}

/**
 * The worker's side: loads the key's state, decides and appends. It waits for a store that is away, rather than fail: a command
 * that came back later would be overtaken by its successors.
 */
export class CommandApplier {
  readonly #log: CommandLog
  readonly #now: () => Date
  readonly #untilAnswered

  constructor({ log, now, isTransient }: CommandApplierOptions) {
    this.#log = log
    this.#now = now
    this.#untilAnswered = retry(handleWhen(isTransient), {
      maxAttempts: Number.POSITIVE_INFINITY,
      backoff: new ExponentialBackoff({ initialDelay: 50, maxDelay: 1000 }),
    })
  }

  apply(command: Command): Promise<Outcome> {
    return this.#untilAnswered.execute(() => this.#attempt(command))
  }

  async #attempt(command: Command): Promise<Outcome> {
    for (;;) {
      const state = await this.#log.load(command.key)
      const decision = decide(state, command, this.#now().toISOString())
      const result = await this.#log.append({
        expectedVersion: state.version,
        outcome: outcomeOf(command, state, decision),
        ...(decision.kind === 'changed' && { event: decision.event }),
      })
      if (result.kind !== 'moved-on') return result.outcome
    }
  }
}

function outcomeOf({ id, key }: Command, state: PolicyState, decision: CommandDecision): Outcome {
  switch (decision.kind) {
    case 'changed':
      return { id, key, status: 'applied', version: decision.event.version, effect: decision.event.type }
    case 'unchanged':
      return { id, key, status: 'applied', version: state.version, effect: 'unchanged' }
    case 'rejected':
      return { id, key, status: 'rejected', error: decision.rejection }
  }
}
