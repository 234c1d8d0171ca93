import { Worker } from 'bullmq'
import { Redis } from 'ioredis'
import { configPartition } from '../../src/domain/partition.ts'
import { queueName, queuePrefix } from '../../src/queues/queue-names.ts'
import { eventually } from './eventually.ts'
import type { Store } from './store.ts'

/** Takes the jobs that wait in the queue of a config key, and fails each with this reason. Resolves once one has failed. */
export async function failWaitingJobs(
  store: Store,
  keyPrefix: string,
  configKey: string,
  reason: string,
): Promise<void> {
  const connection = new Redis(store.url, { maxRetriesPerRequest: null })
  const partition = configPartition(configKey)
  let failed = 0
  const worker = new Worker(queueName(partition), () => Promise.reject(withoutStack(reason)), {
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
