import { RedisPolicyReader } from '../../redis/policies/policy-reader.ts'
import { builtInDefinition } from '../../settings/env.ts'
import { BucketConnection } from './bucket-connection.ts'
import { changeFlow, type StoreAccess } from './change-flow.ts'
import { StoreBackend } from './store-backend.ts'
import { StoreChanges } from './store-changes.ts'

/** Runs `use` on the stores. */
export async function withStoreBackend<T>(
  access: StoreAccess,
  actor: string,
  use: (backend: StoreBackend) => Promise<T>,
): Promise<T> {
  const { env, redis } = access
  const { queue, statuses, submitter } = changeFlow(access)
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
