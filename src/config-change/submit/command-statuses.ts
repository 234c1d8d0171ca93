import { type CommandId, type ImportId, isImportId, partIds } from '../../domain/command-id.ts'
import {
  type CommandResult,
  type FailedCommand,
  type ImportCounts,
  type RejectedCommand,
  sumOfCounts,
} from '../../domain/outcome.ts'
import type { CommandQueue, ResultReader } from '../ports.ts'

export interface QueuedStatus<Id = CommandId | ImportId> {
  readonly id: Id
  readonly key?: string
  readonly status: 'queued'
}

/** The result of an import, which combines those of its parts. */
export type ImportResult = {
  readonly id: ImportId
  /** What its applied parts did. A part that was not applied may have changed some of its keys before. */
  readonly counts: ImportCounts
} & (
  | { readonly status: 'applied' }
  | { readonly status: 'rejected'; readonly error: RejectedCommand['error'] }
  | { readonly status: 'failed'; readonly error: FailedCommand['error'] }
)

/** Of a command of one key, or of a part of an import. `undefined` if the store does not know it. */
type CommandStatus = QueuedStatus<CommandId> | CommandResult | undefined

/** The state of commands: queued, or how they ended. */
export class CommandStatuses {
  readonly #queue: CommandQueue
  readonly #results: ResultReader

  constructor(queue: CommandQueue, results: ResultReader) {
    this.#queue = queue
    this.#results = results
  }

  async of(id: CommandId | ImportId): Promise<QueuedStatus | CommandResult | ImportResult | undefined> {
    return isImportId(id) ? this.ofImport(id) : this.#ofCommand(id)
  }

  /** `undefined` also for an import of which the store has lost a part, or its outcome. */
  async ofImport(id: ImportId): Promise<QueuedStatus<ImportId> | ImportResult | undefined> {
    const found = await this.#ofParts(id)
    // A part queues the others before it ends, so a part that is not found after another one has ended is lost.
    const statuses = hasPartsMissing(found) ? await this.#ofParts(id) : found
    if (statuses.some(status => status?.status === 'queued')) return { id, status: 'queued' }
    const results = statuses.filter(isResult)
    return results.length < statuses.length ? undefined : importResult(id, results)
  }

  #ofParts(id: ImportId): Promise<readonly CommandStatus[]> {
    return Promise.all(partIds(id).map(part => this.#ofCommand(part)))
  }

  /** The result of a command; `undefined` while a failed one is queued for a retry. */
  async result(id: CommandId): Promise<CommandResult | undefined> {
    const result = await this.#results.result(id)
    if (result?.status !== 'failed') return result
    return (await this.#queue.findQueued(id)) === undefined ? result : undefined
  }

  async #ofCommand(id: CommandId): Promise<CommandStatus> {
    // The queue first: a command that ends between the two reads is then found by its result.
    const queued = await this.#queue.findQueued(id)
    const result = await this.#results.result(id)
    const isFinal = result !== undefined && result.status !== 'failed'
    return isFinal || queued === undefined ? result : { id, ...queued, status: 'queued' }
  }
}

function hasPartsMissing(statuses: readonly CommandStatus[]): boolean {
  return statuses.includes(undefined) && statuses.some(isResult)
}

function isResult(status: CommandStatus): status is CommandResult {
  return status !== undefined && status.status !== 'queued'
}

/** @param results of all of its parts */
export function importResult(id: ImportId, results: readonly CommandResult[]): ImportResult {
  const counts = sumOfCounts(results.flatMap(result => ('counts' in result ? result.counts : [])))
  const failed = results.find(result => result.status === 'failed')
  if (failed !== undefined) return { id, status: 'failed', error: failed.error, counts }
  const rejected = results.find(result => result.status === 'rejected')
  if (rejected !== undefined) return { id, status: 'rejected', error: rejected.error, counts }
  return { id, status: 'applied', counts }
}
