import { partIds } from '../../domain/commands.ts'
import {
  type CommandResult,
  type FailedCommand,
  type ImportCounts,
  type RejectedCommand,
  sumOfCounts,
} from '../../domain/outcome.ts'
import type { CommandQueue, ResultReader } from '../ports.ts'

export interface QueuedStatus {
  readonly id: string
  readonly key?: string
  readonly status: 'queued'
}

/** How an import ended: as its parts did. */
export type ImportResult =
  | { readonly id: string; readonly status: 'applied'; readonly counts: ImportCounts }
  | { readonly id: string; readonly status: 'rejected'; readonly error: RejectedCommand['error'] }
  | { readonly id: string; readonly status: 'failed'; readonly error: FailedCommand['error'] }

/** What has become of commands: in the queue, or ended. */
export class CommandStatuses {
  readonly #queue: CommandQueue
  readonly #endings: ResultReader

  constructor(queue: CommandQueue, endings: ResultReader) {
    this.#queue = queue
    this.#endings = endings
  }

  /** @param id of a command of one key, or of an import */
  async of(id: string): Promise<QueuedStatus | CommandResult | ImportResult | undefined> {
    const parts = partIds(id)
    return parts === undefined ? this.#ofOne(id) : this.#ofImport(id, parts)
  }

  /** How a command ended, unless it goes on; a failed one goes on when it is tried again. */
  async ending(id: string): Promise<CommandResult | undefined> {
    const ending = await this.#endings.ending(id)
    if (ending?.status !== 'failed') return ending
    return (await this.#queue.findQueued(id)) === undefined ? ending : undefined
  }

  async #ofOne(id: string): Promise<QueuedStatus | CommandResult | undefined> {
    // The queue first: a command that ends between the two reads is then found by its outcome.
    const queued = await this.#queue.findQueued(id)
    const ending = await this.#endings.ending(id)
    const isFinal = ending !== undefined && ending.status !== 'failed'
    return isFinal || queued === undefined ? ending : { id, ...queued, status: 'queued' }
  }

  async #ofImport(id: string, parts: readonly string[]): Promise<QueuedStatus | ImportResult | undefined> {
    const statuses = await Promise.all(parts.map(part => this.#ofOne(part)))
    const known = statuses.filter(status => status !== undefined)
    if (known.length === 0) return undefined
    const endings = known.filter(status => status.status !== 'queued')
    return endings.length < parts.length ? { id, status: 'queued' } : importResult(id, endings)
  }
}

/** @param endings of all of its parts */
export function importResult(id: string, endings: readonly CommandResult[]): ImportResult {
  const failed = endings.find(ending => ending.status === 'failed')
  if (failed !== undefined) return { id, status: 'failed', error: failed.error }
  const rejected = endings.find(ending => ending.status === 'rejected')
  if (rejected !== undefined) return { id, status: 'rejected', error: rejected.error }
  return {
    id,
    status: 'applied',
    counts: sumOfCounts(endings.flatMap(ending => ('counts' in ending ? ending.counts : []))),
  }
}
