import { type Job, Worker } from 'bullmq'
import { Redis } from 'ioredis'
import { configPartition } from '../../src/domain/partition.ts'
import type { CommandJob } from '../../src/queues/command-job.ts'
import { queueName, queuePrefix } from '../../src/queues/queue-names.ts'
import { RedisCommandStore } from '../../src/redis/policies/command-store.ts'
import { eventually } from './eventually.ts'
import type { Store } from './store.ts'

/** Takes the jobs that wait in the queue of a config key, and ends each as failed for this reason. Resolves once one has. */
export async function failWaitingJobs(
  store: Store,
  keyPrefix: string,
  configKey: string,
  reason: string,
): Promise<void> {
  const connection = new Redis(store.url, { maxRetriesPerRequest: null })
  const partition = configPartition(configKey)
  const log = new RedisCommandStore(connection, { keyPrefix, retentionMs: 60_000 })
  const fail = async ({ id = '' }: Job<CommandJob>, lease?: string) => {
    const standing = await log.standing({ key: configKey })
    const error = { code: 'internal', detail: reason } as const
    await log.recordFailure({ id, key: configKey, status: 'failed', error, standing }, String(lease))
    throw withoutStack(reason)
  }
  let failed = 0
  const worker = new Worker<CommandJob>(queueName(partition), fail, {
    connection,
    prefix: queuePrefix(keyPrefix, partition),
  })
  worker.on('failed', () => failed++)
  await eventually(() => {
    if (failed === 0) throw new Error('no job has failed yet')
  })
  await worker.close()
  connection.disconnect()
}

/** As short as it can be shown. */
function withoutStack(reason: string): Error {
  return Object.assign(new Error(reason), { stack: `Error: ${reason}` })
}
