import { randomUUID } from 'node:crypto'
import { commandId, type ImportId, partIds } from '../../domain/command-id.ts'
import type { ImportPart, KeyCommand, NewCommand, QueuedCommand } from '../../domain/commands.ts'
import type { PolicyEvent } from '../../domain/events.ts'
import type { CommandResult } from '../../domain/outcome.ts'
import { Problem } from '../../lib/errors.ts'
import { fingerprintOf, type IdempotencyKeys } from '../idempotency-keys.ts'
import { mapStoreErrors } from '../map-store-errors.ts'
import type { CommandQueue, ImportStaging } from '../ports.ts'
import { type ImportResult, importResult } from './command-statuses.ts'
import type { ResultWaiters, Settled } from './result-waiters.ts'

export interface Submission {
  readonly commandId: string
  /** Absent if the caller did not wait, or not long enough. */
  readonly result?: CommandResult
  /** The event of the command, if this process has read it meanwhile. */
  readonly event?: PolicyEvent
}

export interface ImportSubmission {
  readonly commandId: string
  /** As in `Submission`. */
  readonly result?: ImportResult
}

interface SubmitOptions {
  /** How long to wait for the result, in ms; 0 does not wait. */
  readonly waitMs: number
  readonly idempotencyKey: string | undefined
}

interface CommandSubmitterOptions {
  readonly queue: CommandQueue
  readonly waiters: ResultWaiters
  readonly idempotencyKeys: IdempotencyKeys
  readonly staging: ImportStaging
}

/** An import whose lines are staged under its id. */
export interface NewImport {
  readonly id: ImportId
  readonly actor: string
  readonly reason?: string
  readonly requestId: string
  /** The span of the request, if it is traced. */
  readonly traceparent?: string
  /** As in `ImportPart`. */
  readonly prune?: string
  /** Of the imported lines, and of what the import prunes. */
  readonly fingerprint: string
}

/** Accepts commands. Once `submit` has queued a command, it is applied or rejected, even if processes crash. */
export class CommandSubmitter {
  readonly #options: CommandSubmitterOptions

  constructor(options: CommandSubmitterOptions) {
    this.#options = options
  }

  /**
   * @throws {Problem} `config-store-unavailable`: the command may or may not have been accepted
   * @throws {Problem} `idempotency-key-reused`
   */
  async submit(command: NewCommand, options: SubmitOptions): Promise<Submission> {
    const proposed: KeyCommand = { ...command, id: commandId(command.key, randomUUID()) }
    const { isRepeated, ...claimed } = await this.#options.idempotencyKeys.claim(proposed, options.idempotencyKey, () =>
      fingerprintOf(command),
    )
    const [settled] = await this.#enqueue([{ ...proposed, ...claimed }], isRepeated, options)
    const { result, event } = settled ?? {}
    return { commandId: claimed.id, ...(result && { result }), ...(event && { event }) }
  }

  /**
   * Accepts an import. If it is a repetition, its lines are dropped.
   * @throws as `submit`
   */
  async submitImport({ fingerprint, ...asked }: NewImport, options: SubmitOptions): Promise<ImportSubmission> {
    const { isRepeated, ...claimed } = await this.#claimForImport(asked, options.idempotencyKey, fingerprint)
    if (isRepeated) await this.#dropLines(asked.id)
    const parts = partIds(claimed.id)
    const commands = parts.map(
      (id): ImportPart => ({ ...asked, ...claimed, id, type: 'import-part', importId: claimed.id }),
    )
    const settled = await this.#enqueue(commands, isRepeated, options)
    const results = settled.map(({ result }) => result)
    const hasEnded = results.length === parts.length
    return { commandId: claimed.id, ...(hasEnded && { result: importResult(claimed.id, results) }) }
  }

  /** If the store fails, the lines are kept: the claim may have succeeded, and then a repetition needs them. */
  async #claimForImport(asked: Pick<NewImport, 'id' | 'actor'>, key: string | undefined, fingerprint: string) {
    try {
      return await this.#options.idempotencyKeys.claim(asked, key, () => fingerprint)
    } catch (err) {
      if (err instanceof Problem && err.code === 'idempotency-key-reused') await this.#dropLines(asked.id)
      throw err
    }
  }

  #dropLines(id: ImportId): Promise<void> {
    return mapStoreErrors(this.#options.staging.drop(partIds(id)))
  }

  /** Returns the results of the commands that ended in time. */
  async #enqueue(commands: readonly QueuedCommand[], isRepeated: boolean, options: SubmitOptions): Promise<Settled[]> {
    const { waiters } = this.#options
    const waits = options.waitMs > 0 ? commands.map(({ id }) => waiters.wait(id, options.waitMs)) : []
    try {
      await Promise.all(commands.map(command => this.#add(command, isRepeated)))
    } catch (err) {
      for (const { cancel } of waits) cancel()
      throw err
    }
    const settled = await Promise.all(waits.map(wait => wait.settled))
    return settled.filter(one => one !== undefined)
  }

  /** A repeated command is added again, since its first request may have died before it did. Adding it twice has no effect. */
  async #add(command: QueuedCommand, isRepeated: boolean): Promise<void> {
    const { idempotencyKeys, queue, staging, waiters } = this.#options
    if (isRepeated && (await mapStoreErrors(waiters.find(command.id))) !== undefined) return
    await mapStoreErrors(isRepeated ? queue.addAgain(command) : queue.add(command))
    // Only now: lines and claims without a queued command have to expire.
    if (command.type === 'import-part') await mapStoreErrors(staging.keep([command.id]))
    await idempotencyKeys.keep(command)
  }
}
