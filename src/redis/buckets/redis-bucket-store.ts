import type { BucketCheck, BucketStore } from '../../check/ports.ts'
import type { RedisClient } from '../connection/connection.ts'
import type { BucketKeys } from '../keys.ts'
import { CheckCall, isUnknownScript } from './check-call.ts'
import { NO_REPORT, type Readings, type ReplyReport, readingsIn } from './check-reply.ts'

/** Buckets in a standalone Redis: one script call for a whole batch. On a cluster, a batch is one check. */
export class RedisBucketStore implements BucketStore {
  readonly #redis: RedisClient
  readonly #keys: BucketKeys
  readonly #report: ReplyReport

  constructor(redis: RedisClient, keys: BucketKeys, report: ReplyReport = NO_REPORT) {
    this.#redis = redis
    this.#keys = keys
    this.#report = report
  }

  async check(checks: readonly BucketCheck[]): Promise<Readings> {
    return readingsIn(await this.#call(checks), checks, this.#report)
  }

  async #call(checks: readonly BucketCheck[]): Promise<Buffer> {
    try {
      return await this.#send(new CheckCall({ checks, keys: this.#keys }))
    } catch (err) {
      if (!isUnknownScript(err)) throw err
      return await this.#send(new CheckCall({ checks, keys: this.#keys, withSource: true }))
    }
  }

  #send(call: CheckCall): Promise<Buffer> {
    return this.#redis.sendCommand(call) as Promise<Buffer>
  }

  async reset(key: string): Promise<void> {
    await this.#redis.unlink(this.#keys.bucket(key))
  }
}
