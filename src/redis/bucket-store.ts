import type { Redis } from 'ioredis'
import type { BucketCheck, BucketStore } from '../check/ports.ts'
import type { BucketReading } from '../domain/token-bucket.ts'
import { type CheckCommand, decode, encode } from './bucket-call.ts'
import type { BucketKeys } from './keys.ts'
import { checkScript } from './scripts.ts'

/** Buckets in a standalone Redis: one script call for a whole batch. */
export class RedisBucketStore implements BucketStore {
  readonly #redis: Redis
  readonly #check: CheckCommand
  readonly #keys: BucketKeys

  constructor(redis: Redis, keys: BucketKeys) {
    redis.defineCommand('throttlerCheck', checkScript)
    this.#redis = redis
    this.#check = (redis as unknown as { throttlerCheck: CheckCommand }).throttlerCheck.bind(redis)
    this.#keys = keys
  }

  async check(checks: readonly BucketCheck[]): Promise<readonly BucketReading[]> {
    const keys = checks.map(({ key }) => this.#keys.bucket(key))
    const reply = await this.#check(keys.length, ...keys, ...encode(checks))
    return decode(checks, reply)
  }

  async reset(key: string): Promise<void> {
    await this.#redis.unlink(this.#keys.bucket(key))
  }
}
