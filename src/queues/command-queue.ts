import { type ConnectionOptions, Queue } from 'bullmq'
import type { Redis } from 'ioredis'
import type { CommandQueue } from '../config-change/ports.ts'
import { type Command, partitionOfCommand } from '../domain/commands.ts'
import { configPartition } from '../domain/partition.ts'
import { type CommandJob, jobOptions } from './command-job.ts'
import { queueName, queuePrefix } from './queue-names.ts'

/** The producers' side: one BullMQ queue for each config partition, over one connection that fails fast. */
export class BullCommandQueue implements CommandQueue {
  readonly #redis: Redis
  readonly #keyPrefix: string
  readonly #queues = new Map<number, Queue<CommandJob>>()

  constructor(redis: Redis, keyPrefix: string) {
    this.#redis = redis
    this.#keyPrefix = keyPrefix
  }

  async add(command: Command, requestId: string): Promise<void> {
    const queue = await this.#open(configPartition(command.key))
    await queue.add(command.type, { command, requestId }, { ...jobOptions, jobId: command.id })
  }

  async findQueued(commandId: string): Promise<{ key: string } | undefined> {
    const partition = partitionOfCommand(commandId)
    if (partition === undefined) return undefined
    const job = await (await this.#open(partition)).getJob(commandId)
    return job && job.finishedOn === undefined ? { key: job.data.command.key } : undefined
  }

  /** BullMQ waits for a connection that is not there, and never gets over one that is lost while it opens a queue. */
  async #open(partition: number): Promise<Queue<CommandJob>> {
    if (this.#redis.status !== 'ready') throw new Error('the connection to Redis is lost')
    const queue = this.#queues.get(partition) ?? openQueue(this.#redis, this.#keyPrefix, partition)
    this.#queues.set(partition, queue)
    try {
      await queue.waitUntilReady()
      return queue
    } catch (err) {
      this.#queues.delete(partition)
      throw err
    }
  }

  async close(): Promise<void> {
    await Promise.all(Array.from(this.#queues.values(), queue => queue.close()))
  }
}

export function openQueue(connection: ConnectionOptions, keyPrefix: string, partition: number): Queue<CommandJob> {
  const prefix = queuePrefix(keyPrefix, partition)
  const queue = new Queue<CommandJob>(queueName(partition), { connection, prefix })
  // Connections report their own losses; without a listener the same error would end the process.
  queue.on('error', () => undefined)
  return queue
}
