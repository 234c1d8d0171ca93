import { IdempotencyKeys } from '../../config-change/idempotency-keys.ts'
import { CommandStatuses } from '../../config-change/submit/command-statuses.ts'
import { CommandSubmitter } from '../../config-change/submit/command-submitter.ts'
import { ResultWaiters } from '../../config-change/submit/result-waiters.ts'
import { BullCommandQueue } from '../../queues/command-queue.ts'
import type { RedisClient } from '../../redis/connection/connection.ts'
import { RedisCommandStore } from '../../redis/policies/command-store.ts'
import { RedisIdempotencyStore } from '../../redis/policies/idempotency-store.ts'
import { RedisImportStaging } from '../../redis/policies/import-staging.ts'
import { RedisPolicyReader } from '../../redis/policies/policy-reader.ts'
import { builtInDefinition, type Env } from '../../settings/env.ts'
import { BucketConnection } from './bucket-connection.ts'
import { StoreBackend } from './store-backend.ts'
import { StoreChanges } from './store-changes.ts'

interface StoreAccess {
  readonly env: Env
  /** Connected to the policy store. */
  readonly redis: RedisClient
}

/** Runs `use` on the stores. */
export async function withStoreBackend<T>(
  { env, redis }: StoreAccess,
  actor: string,
  use: (backend: StoreBackend) => Promise<T>,
): Promise<T> {
  const retention = { keyPrefix: env.KEY_PREFIX, retentionMs: env.COMMAND_RETENTION_MS }
  const queue = new BullCommandQueue(redis, env.KEY_PREFIX)
  const statuses = new CommandStatuses(queue, new RedisCommandStore(redis, retention))
  const submitter = new CommandSubmitter({
    queue,
    waiters: new ResultWaiters({ find: id => statuses.result(id) }),
    idempotencyKeys: new IdempotencyKeys(new RedisIdempotencyStore(redis, retention)),
    staging: new RedisImportStaging(redis, retention),
  })
  const reader = new RedisPolicyReader(redis, env.KEY_PREFIX)
  const buckets = new BucketConnection(env, redis)
  const changes = new StoreChanges({ submitter, statuses, queue, reader, actor })
  try {
    return await use(new StoreBackend({ reader, buckets, changes, builtIn: builtInDefinition(env), actor }))
  } finally {
    buckets.close()
    await queue.close()
  }
}
