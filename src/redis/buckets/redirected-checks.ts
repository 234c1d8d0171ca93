import type { Cluster } from 'ioredis'
import type { BucketCheck } from '../../check/ports.ts'
import type { BucketReading } from '../../domain/reading.ts'
import type { BucketKeys } from '../keys.ts'
import { CheckCall } from './check-call.ts'
import { type OnMalformedBucket, type Readings, readingsIn } from './check-reply.ts'
import { indexesBy, pick, place } from './groups.ts'

interface RedirectedChecksOptions {
  /** Follows redirections. */
  readonly cluster: Cluster
  readonly keys: BucketKeys
  readonly onMalformed: OnMalformedBucket
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
      place(readings, indexes, await this.#call(pick(checks, indexes)))
    }
    const outcomes = await Promise.allSettled(indexesBy(checks, ({ key }) => key).map(askOneKey))
    const failed = outcomes.filter(outcome => outcome.status === 'rejected')
    if (failed.length === outcomes.length) throw failed[0]?.reason
    return readings
  }

  async #call(checks: readonly BucketCheck[]): Promise<Readings> {
    const { cluster, keys, onMalformed } = this.#options
    const reply = await cluster.sendCommand(new CheckCall({ checks, keys, withSource: true }))
    return readingsIn(reply as Buffer, checks, onMalformed)
  }
}
