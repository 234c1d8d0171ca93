import { type Job, Worker } from 'bullmq'
import { Redis } from 'ioredis'
import { parseCommandId } from '../../src/domain/command-id.ts'
import { configPartition } from '../../src/domain/partition.ts'
import type { CommandJob } from '../../src/queues/command-job.ts'
import { ConfigKeys, queueName } from '../../src/redis/keys.ts'
import { RedisCommandStore } from '../../src/redis/policies/command-store.ts'
import { RedisPolicyReader } from '../../src/redis/policies/policy-reader.ts'
import { eventually } from './eventually.ts'
import type { Store } from './store.ts'

/** Fails every waiting job in the queue of a config key for this reason. Resolves once one has failed. */
export async function failWaitingJobs(
  store: Store,
  keyPrefix: string,
  configKey: string,
  reason: string,
): Promise<void> {
  const connection = new Redis(store.url, { maxRetriesPerRequest: null })
  const partition = configPartition(configKey)
  const commands = new RedisCommandStore(connection, { keyPrefix, retentionMs: 60_000 })
  const reader = new RedisPolicyReader(connection, keyPrefix)
  const fail = async (job: Job<CommandJob>, lease?: string) => {
    const id = parseCommandId(job.id ?? '')
    if (id === undefined) throw new Error(`${job.id} is not a command id`)
    const revisionAtFailure = await reader.keyRevision(configKey)
    const error = { code: 'internal', detail: reason } as const
    await commands.recordFailure({ id, key: configKey, status: 'failed', error, revisionAtFailure }, String(lease))
    throw withoutStack(reason)
  }
  let failed = 0
  const worker = new Worker<CommandJob>(queueName(partition), fail, {
    connection,
    prefix: new ConfigKeys(keyPrefix, partition).queuePrefix,
  })
  worker.on('failed', () => failed++)
  await eventually(() => {
    if (failed === 0) throw new Error('no job has failed yet')
  })
  await worker.close()
  connection.disconnect()
}

/** An error whose stack, which Bull Board shows, is as short as possible. */
function withoutStack(reason: string): Error {
  return Object.assign(new Error(reason), { stack: `Error: ${reason}` })
}
