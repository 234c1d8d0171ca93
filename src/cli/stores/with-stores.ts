import { RedisPolicyReader } from '../../redis/policies/policy-reader.ts'
import { builtInDefinition } from '../../settings/env.ts'
import type { Backend } from '../backend/backend.ts'
import type { ImportTarget } from '../backend/import-target.ts'
import { withPolicyStore } from '../with-policy-store.ts'
import { BucketConnection } from './bucket-connection.ts'
import { changeFlow } from './change-flow.ts'
import { StoreBackend } from './store-backend.ts'
import { StoreChanges } from './store-changes.ts'
import { StoreImportTarget } from './store-import-target.ts'

/** Runs `use` on the stores of the environment. @throws {StoreTrouble} */
export function withStoreBackend<T>(actor: string, use: (backend: Backend) => Promise<T>): Promise<T> {
  return withPolicyStore(async access => {
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
  })
}

/** Like `withStoreBackend`, for imports. */
export function withStoreImportTarget<T>(actor: string, use: (target: ImportTarget) => Promise<T>): Promise<T> {
  return withPolicyStore(access => use(new StoreImportTarget(access, actor)))
}
