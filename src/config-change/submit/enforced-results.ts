import { type CommandId, partitionOf } from '../../domain/command-id.ts'
import type { CommandResult } from '../../domain/outcome.ts'
import type { Announcement } from '../log-ports.ts'

interface EnforcedResultsOptions {
  readonly statuses: { result(id: CommandId): Promise<CommandResult | undefined> }
  readonly follower: { catchUp(partition: number): Promise<void> }
}

/** Results of commands that this process already enforces, so that a caller who learns of a change can rely on it. */
export class EnforcedResults {
  readonly #options: EnforcedResultsOptions

  constructor(options: EnforcedResultsOptions) {
    this.#options = options
  }

  async find(id: CommandId): Promise<CommandResult | undefined> {
    const result = await this.#options.statuses.result(id)
    if (result !== undefined) await this.enforce({ partition: partitionOf(id), result })
    return result
  }

  /** Resolves once this process enforces what was announced. A failed command has changed nothing. */
  async enforce({ partition, result }: Announcement): Promise<void> {
    if (result?.status !== 'failed') await this.#options.follower.catchUp(partition)
  }
}
