import type { KeyCommand } from '../../domain/commands.ts'
import { type CommandDecision, decide, type PolicyState, type Rejection } from '../../domain/decider.ts'
import { effectOf, type Outcome } from '../../domain/outcome.ts'
import type { StoredPolicy } from '../../domain/temporary-policy.ts'
import type { CommandStore, Lease, StateReader } from '../ports.ts'
import { AppendRetries } from './append-retries.ts'
import { supersededBy } from './superseded.ts'

interface CommandApplierOptions {
  readonly reader: StateReader
  readonly store: CommandStore
  now(): Date
}

export interface Attempt {
  /** Whether an operator retries the command after a failure. */
  readonly isRetry: boolean
  readonly lease: Lease
  /** A reason to reject the command before it is decided. */
  readonly refusal: Rejection | undefined
}

/** Applies a command of one key: reads the key's state, decides and appends. */
export class CommandApplier {
  readonly #reader: StateReader
  readonly #store: CommandStore
  readonly #now: () => Date

  constructor({ reader, store, now }: CommandApplierOptions) {
    this.#reader = reader
    this.#store = store
    this.#now = now
  }

  /**
   * @returns `undefined` if the lease is lost: another worker ends the command, or has ended it
   * @throws {CommandFault} if the key's state can never match
   */
  async apply(command: KeyCommand, { isRetry, lease, refusal }: Attempt): Promise<Outcome | undefined> {
    const retries = new AppendRetries()
    for (;;) {
      const [state, failure, target] = await Promise.all([
        this.#reader.state(command.key),
        this.#store.failure(command.id),
        this.#targetOf(command),
      ])
      // The end of a policy names its version, so it cannot undo a later change.
      const mayUndo = command.type !== 'expire' && (isRetry || failure !== undefined)
      const rejection = refusal ?? (mayUndo && supersededBy(failure, state.version))
      const decision: CommandDecision = rejection
        ? { kind: 'rejected', rejection }
        : decide(state, command, this.#now().toISOString(), target)
      const outcome = outcomeOf(command, state, decision)
      const change = {
        key: command.key,
        expectedVersion: state.version,
        ...(decision.kind === 'changed' && { event: decision.event }),
      }
      const result = await this.#store.append({ outcome, lease, change, traceparent: command.traceparent })
      if (result.kind === 'appended') return outcome
      if (result.kind === 'ended') return result.outcome
      if (result.kind === 'lease-lost') return undefined
      if (result.kind === 'moved-on') await retries.pauseAfter(result.mismatch)
    }
  }

  async #targetOf(command: KeyCommand): Promise<StoredPolicy | null | undefined> {
    if (command.type !== 'rollback') return undefined
    return (await this.#reader.version(command.key, command.version))?.policy
  }
}

function outcomeOf({ id, key }: KeyCommand, state: PolicyState, decision: CommandDecision): Outcome {
  switch (decision.kind) {
    case 'changed':
      return { id, key, status: 'applied', version: decision.event.version, effect: effectOf(state, decision.event) }
    case 'unchanged':
      return { id, key, status: 'applied', version: state.version, effect: 'unchanged' }
    case 'rejected':
      return { id, key, status: 'rejected', error: decision.rejection }
  }
}
