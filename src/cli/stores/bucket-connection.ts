import { once } from 'node:events'
import type { BucketCheck, BucketStore } from '../../check/ports.ts'
import { OperatorError } from '../../lib/operator-error.ts'
import { createLogger } from '../../observability/logger.ts'
import { RedisBucketStore } from '../../redis/buckets/redis-bucket-store.ts'
import { connect, type RedisClient } from '../../redis/connection/connection.ts'
import { ConnectionName } from '../../redis/connection/connection-names.ts'
import { reasonOf } from '../../redis/connection/connection-report.ts'
import { bucketTarget } from '../../redis/connection/redis-target.ts'
import { isTransient } from '../../redis/connection/transient.ts'
import { BucketKeys } from '../../redis/keys.ts'
import type { Env } from '../../settings/env.ts'

class BucketStoreTrouble extends OperatorError {}

/** The bucket store, over the connection to the policy store if they are the same. Connects with the first call. */
export class BucketConnection implements BucketStore {
  readonly #env: Env
  readonly #policyStore: RedisClient
  #own: RedisClient | undefined

  constructor(env: Env, policyStore: RedisClient) {
    this.#env = env
    this.#policyStore = policyStore
  }

  check(checks: readonly BucketCheck[]) {
    return this.#call(store => store.check(checks))
  }

  reset(key: string): Promise<void> {
    return this.#call(store => store.reset(key))
  }

  close(): void {
    this.#own?.disconnect()
  }

  /** @throws {BucketStoreTrouble} */
  async #call<T>(ask: (store: BucketStore) => Promise<T>): Promise<T> {
    try {
      return await ask(new RedisBucketStore(await this.#connection(), new BucketKeys(this.#env.KEY_PREFIX)))
    } catch (err) {
      throw err instanceof Error && isTransient(err) ? unavailable(err) : err
    }
  }

  async #connection(): Promise<RedisClient> {
    if (this.#env.CONFIG_REDIS_URL === undefined) return this.#policyStore
    if (this.#own !== undefined) return this.#own
    const logger = createLogger({ level: 'silent', role: 'cli' })
    this.#own = connect('tool', { target: bucketTarget(this.#env), name: ConnectionName.cli, logger })
    await once(this.#own, 'ready').catch(cause => {
      throw unavailable(cause as Error)
    })
    return this.#own
  }
}

function unavailable(cause: Error): BucketStoreTrouble {
  return new BucketStoreTrouble(`the bucket store is unavailable: ${reasonOf(cause)}`, { cause })
}
