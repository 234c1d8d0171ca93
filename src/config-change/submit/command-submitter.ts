import { randomUUID } from 'node:crypto'
import {
  commandId,
  type ImportPart,
  type KeyCommand,
  type NewCommand,
  partIds,
  type QueuedCommand,
} from '../../domain/commands.ts'
import type { CommandResult } from '../../domain/outcome.ts'
import { Problem } from '../../lib/errors.ts'
import { fingerprintOf, type IdempotencyKeys } from '../idempotency-keys.ts'
import { mapStoreErrors } from '../map-store-errors.ts'
import type { CommandQueue, ImportStaging } from '../ports.ts'
import { type ImportResult, importResult } from './command-statuses.ts'
import type { OutcomeWaiters } from './outcome-waiters.ts'

export interface Submission<T> {
  readonly commandId: string
  /** Absent when nobody waited, or not for long enough. */
  readonly ending?: T
}

interface SubmitOptions {
  /** How long to wait for the outcome, ms; 0 not at all. */
  readonly waitMs: number
  /** The caller's own name for the command. */
  readonly idempotencyKey: string | undefined
}

interface CommandSubmitterOptions {
  readonly queue: CommandQueue
  readonly waiters: OutcomeWaiters
  readonly names: IdempotencyKeys
  readonly staging: ImportStaging
  /** How a command ended that this process obeys. */
  findResult(commandId: string): Promise<CommandResult | undefined>
}

/** What is asked for with a staged import. */
export interface NewImport {
  readonly id: string
  readonly actor: string
  readonly reason?: string
  readonly requestId: string
  /** Of the imported lines. */
  readonly fingerprint: string
}

/** Accepts commands: from when `submit` has queued one, it is applied or rejected, whatever crashes. */
export class CommandSubmitter {
  readonly #options: CommandSubmitterOptions

  constructor(options: CommandSubmitterOptions) {
    this.#options = options
  }

  /**
   * @throws {Problem} `config-store-unavailable`: not known to be accepted
   * @throws {Problem} `idempotency-key-reused`
   */
  async submit(asked: NewCommand, options: SubmitOptions): Promise<Submission<CommandResult>> {
    const proposed: KeyCommand = { ...asked, id: commandId(asked.key, randomUUID()) }
    const { isRepeated, ...named } = await this.#options.names.name(proposed, options.idempotencyKey, () =>
      fingerprintOf(asked),
    )
    const [ending] = await this.#enqueue([{ ...proposed, ...named }], isRepeated, options)
    return { commandId: named.id, ...(ending && { ending }) }
  }

  /**
   * Accepts an import whose lines are staged under its id. They are dropped where it turns out to be a repetition.
   * @throws as `submit`
   */
  async submitImport({ fingerprint, ...asked }: NewImport, options: SubmitOptions): Promise<Submission<ImportResult>> {
    const { staging, names } = this.#options
    const dropOwn = () => mapStoreErrors(staging.drop(partIds(asked.id) ?? []))
    const { isRepeated, ...named } = await names
      .name(asked, options.idempotencyKey, () => fingerprint)
      .catch(async err => {
        // Where the store is away the name may have been taken, and a repetition will want the lines.
        if (err instanceof Problem && err.code === 'idempotency-key-reused') await dropOwn()
        throw err
      })
    if (isRepeated) await dropOwn()
    const parts = partIds(named.id) ?? []
    const commands = parts.map(
      (id): ImportPart => ({ ...asked, ...named, id, type: 'import-part', importId: named.id }),
    )
    const endings = await this.#enqueue(commands, isRepeated, options)
    const isEnded = endings.length === parts.length
    return { commandId: named.id, ...(isEnded && { ending: importResult(named.id, endings) }) }
  }

  /** Returns how they ended, of those that did in time. */
  async #enqueue(
    commands: readonly QueuedCommand[],
    isRepeated: boolean,
    options: SubmitOptions,
  ): Promise<CommandResult[]> {
    const { waiters } = this.#options
    const waits = options.waitMs > 0 ? commands.map(({ id }) => waiters.wait(id, options.waitMs)) : []
    try {
      await Promise.all(commands.map(command => this.#add(command, isRepeated)))
    } catch (err) {
      for (const { cancel } of waits) cancel()
      throw err
    }
    const endings = await Promise.all(waits.map(({ ended }) => ended))
    return endings.filter(ending => ending !== undefined)
  }

  /** Whoever asked first may have died before the command was queued; to queue it a second time does nothing. */
  async #add(command: QueuedCommand, isRepeated: boolean): Promise<void> {
    const { findResult, names, queue, staging, waiters } = this.#options
    const ending = isRepeated ? await mapStoreErrors(findResult(command.id)) : undefined
    if (ending !== undefined) return waiters.settle(ending)
    await mapStoreErrors(queue.add(command))
    // Not before: lines and a name without a command in the queue must go away by themselves.
    if (command.type === 'import-part') await mapStoreErrors(staging.keep([command.id]))
    await names.keep(command)
  }
}
