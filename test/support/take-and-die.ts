import { Worker } from 'bullmq'
import { Redis } from 'ioredis'
import { ConfigKeys, queueName } from '../../src/redis/keys.ts'
import { eventually } from './eventually.ts'

interface Queue {
  readonly redisUrl: string
  readonly keyPrefix: string
  readonly partition: number
}

/**
 * A worker that takes the partition's next command and dies. Resolves with the command's id.
 * @param lockMs how long its lock on the command lasts
 */
export async function takeAndDie({ redisUrl, keyPrefix, partition }: Queue, lockMs = 100): Promise<string | undefined> {
  const connection = new Redis(redisUrl, { maxRetriesPerRequest: null })
  const worker = new Worker(queueName(partition), null, {
    connection,
    prefix: new ConfigKeys(keyPrefix, partition).queuePrefix,
    lockDuration: lockMs,
    stalledInterval: 100,
    maxStalledCount: 100,
  })
  // If the previous worker left a command, it returns to the queue first.
  await worker.startStalledCheckTimer()
  const id = await eventually(async () => {
    const job = await worker.getNextJob('token', { block: false })
    if (job === undefined) throw new Error('there is no command to take')
    return job.id
  })
  await worker.close()
  connection.disconnect()
  return id
}
