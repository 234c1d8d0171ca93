import type { Cluster } from 'ioredis'
import { isUnownedSlot } from '../connection/failure-reason.ts'
import { indexesBy, pick, place } from './groups.ts'
import type { Protocol } from './protocols.ts'

interface RedirectionsOptions {
  /** Follows redirections. */
  readonly cluster: Cluster
  /** Called with a partition whose slot no master owns. */
  unowned(partition: number): void
}

/** Asks items again that were not executed where they were asked first. */
export class Redirections {
  readonly #options: RedirectionsOptions

  constructor(options: RedirectionsOptions) {
    this.#options = options
  }

  /**
   * Sends a call for each unit, since some keys of a moving slot are at its old master and some at its new one. Items whose call
   * failed have no result. Rejects if all calls failed.
   */
  async ask<Item, Result>(
    protocol: Protocol<Item, Result>,
    items: readonly Item[],
  ): Promise<readonly (Result | undefined)[]> {
    const results: (Result | undefined)[] = new Array(items.length)
    const askUnit = async (indexes: readonly number[]) => {
      place(results, indexes, await this.#askUnit(protocol, pick(items, indexes)))
    }
    const outcomes = await Promise.allSettled(indexesBy(items, protocol.unitOf).map(askUnit))
    const failed = outcomes.filter(outcome => outcome.status === 'rejected')
    const [first] = failed
    if (first !== undefined && failed.length === outcomes.length) throw first.reason
    return results
  }

  async #askUnit<Item, Result>(protocol: Protocol<Item, Result>, items: readonly Item[]) {
    try {
      const reply = await this.#options.cluster.sendCommand(
        protocol.call(items, { withSource: true, isRedirected: true }),
      )
      return protocol.read(reply as Buffer, items)
    } catch (err) {
      if (isUnownedSlot(err)) this.#options.unowned(protocol.partitionOf(items[0] as Item))
      throw err
    }
  }
}
