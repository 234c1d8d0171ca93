import type { ChainableCommander } from 'ioredis'
import { resultsOf } from './maintained-log.ts'

/** Lifetime of a draft after its last write, in ms. The process that wrote an older one has died. */
const DRAFT_LIFETIME_MS = 3_600_000

/**
 * The writes of a draft, counted here and in the store. Between two of them, the store may fail over to a replica that misses the
 * earlier one; then the counts differ.
 */
export class DraftWrites {
  /** String: how many writes of the draft the store has. */
  readonly counter: string
  #sent = 0

  constructor(counter: string) {
    this.counter = counter
  }

  get sent(): number {
    return this.#sent
  }

  /** @param commands one write @param drafts every key of the draft */
  async send(commands: ChainableCommander, drafts: readonly string[]): Promise<void> {
    // Follows the write, so that a store which has counted it has all of it.
    commands.incr(this.counter)
    for (const key of [...drafts, this.counter]) commands.pexpire(key, DRAFT_LIFETIME_MS)
    await resultsOf(commands)
    this.#sent++
  }
}
