import type { Cluster } from 'ioredis'
import type { BucketCheck } from '../../check/ports.ts'
import type { BucketReading } from '../../domain/reading.ts'
import { isUnownedSlot } from '../connection/failure-reason.ts'
import type { BucketKeys } from '../keys.ts'
import { CheckCall } from './check-call.ts'
import { type Readings, type ReplyReport, readingsIn } from './check-reply.ts'
import { indexesBy, pick, place } from './groups.ts'

interface RedirectedChecksOptions {
  /** Follows redirections. */
  readonly cluster: Cluster
  readonly keys: BucketKeys
  readonly report: ReplyReport
  /** Called with a key whose slot no master owns. */
  unowned(key: string): void
}

/** Asks checks again that were not executed where they were asked first. */
export class RedirectedChecks {
  readonly #options: RedirectedChecksOptions

  constructor(options: RedirectedChecksOptions) {
    this.#options = options
  }

  /**
   * Sends a call for each key, since some keys of a moving slot are at its old master and some at its new one. Checks whose call
   * failed have no reading. Rejects if all calls failed.
   */
  async ask(checks: readonly BucketCheck[]): Promise<Readings> {
    const readings: (BucketReading | undefined)[] = new Array(checks.length)
    const askOneKey = async (indexes: readonly number[]) => {
      place(readings, indexes, await this.#askOneKey(pick(checks, indexes)))
    }
    const outcomes = await Promise.allSettled(indexesBy(checks, ({ key }) => key).map(askOneKey))
    const failed = outcomes.filter(outcome => outcome.status === 'rejected')
    if (failed.length === outcomes.length) throw failed[0]?.reason
    return readings
  }

  async #askOneKey(checks: readonly BucketCheck[]): Promise<Readings> {
    try {
      return await this.#call(checks)
    } catch (err) {
      if (isUnownedSlot(err)) this.#options.unowned((checks[0] as BucketCheck).key)
      throw err
    }
  }

  async #call(checks: readonly BucketCheck[]): Promise<Readings> {
    const { cluster, keys, report } = this.#options
    const reply = await cluster.sendCommand(new CheckCall({ checks, keys, withSource: true }))
    return readingsIn(reply as Buffer, checks, report)
  }
}
