import { IdempotencyKeys } from '../../config-change/idempotency-keys.ts'
import { CommandStatuses } from '../../config-change/submit/command-statuses.ts'
import { CommandSubmitter } from '../../config-change/submit/command-submitter.ts'
import { ResultWaiters } from '../../config-change/submit/result-waiters.ts'
import { BullCommandQueue } from '../../queues/command-queue.ts'
import { RedisCommandStore } from '../../redis/policies/command-store.ts'
import { RedisIdempotencyStore } from '../../redis/policies/idempotency-store.ts'
import { RedisImportStaging } from '../../redis/policies/import-staging.ts'
import type { PolicyStoreAccess } from '../with-policy-store.ts'

/** The parts with which a command submits changes. The queue has to be closed. */
export function changeFlow({ env, redis }: PolicyStoreAccess) {
  const retention = { keyPrefix: env.KEY_PREFIX, retentionMs: env.COMMAND_RETENTION_MS }
  const queue = new BullCommandQueue(redis, env.KEY_PREFIX)
  const statuses = new CommandStatuses(queue, new RedisCommandStore(redis, retention))
  const staging = new RedisImportStaging(redis, retention)
  const submitter = new CommandSubmitter({
    queue,
    waiters: new ResultWaiters({ find: id => statuses.result(id) }),
    idempotencyKeys: new IdempotencyKeys(new RedisIdempotencyStore(redis, retention)),
    staging,
  })
  return { queue, statuses, staging, submitter }
}
