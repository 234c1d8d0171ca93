import type { ConnectionOptions, Queue } from 'bullmq'
import type { CommandQueue } from '../config-change/ports.ts'
import { partitionOfCommand, type QueuedCommand } from '../domain/commands.ts'
import { CONFIG_PARTITIONS } from '../domain/partition.ts'
import type { RedisClient } from '../redis/connection/connection.ts'
import { ConnectionLost } from '../redis/connection/transient.ts'
import { type CommandJob, jobOf, jobOptions } from './command-job.ts'
import { TolerantQueue } from './malformed-job-queue.ts'
import { queueName, queuePrefix } from './queue-names.ts'

const JOB_STATES = ['waiting', 'active', 'delayed', 'completed', 'failed'] as const
type JobState = (typeof JOB_STATES)[number]

/** The producers' side: one BullMQ queue for each config partition, over one connection that fails fast. */
export class BullCommandQueue implements CommandQueue {
  readonly #redis: RedisClient
  readonly #keyPrefix: string
  readonly #queues = new Map<number, Queue<CommandJob>>()

  constructor(redis: RedisClient, keyPrefix: string) {
    this.#redis = redis
    this.#keyPrefix = keyPrefix
  }

  /** Sets the order anew each time, before the command is there: a flush would have taken it away. */
  async add(command: QueuedCommand): Promise<void> {
    const queue = await this.#open(partitionOfCommand(command.id) ?? 0)
    await Promise.all([
      runOneAtATime(queue),
      queue.add(command.type, jobOf(command), { ...jobOptions, jobId: command.id }),
    ])
  }

  async findQueued(commandId: string): Promise<{ key?: string } | undefined> {
    const partition = partitionOfCommand(commandId)
    if (partition === undefined) return undefined
    const job = await (await this.#open(partition)).getJob(commandId)
    if (job === undefined || job.finishedOn !== undefined) return undefined
    // Others than this service may have written it.
    const key: unknown = Object(Object(job.data).command).key
    return typeof key === 'string' ? { key } : {}
  }

  /** Whether a worker has the command, or had it. */
  async isTaken(commandId: string): Promise<boolean> {
    const queue = await this.#open(partitionOfCommand(commandId) ?? 0)
    return (await queue.getJobState(commandId)) !== 'waiting'
  }

  /** How many jobs there are in all queues together, by state. */
  async countJobs(): Promise<Record<JobState, number>> {
    const sum = { waiting: 0, active: 0, delayed: 0, completed: 0, failed: 0 }
    for (const queue of await this.queues()) {
      const counts = await queue.getJobCounts(...JOB_STATES)
      for (const state of JOB_STATES) sum[state] += counts[state] ?? 0
    }
    return sum
  }

  /** The queue of every partition. */
  queues(): Promise<readonly Queue<CommandJob>[]> {
    return Promise.all(Array.from({ length: CONFIG_PARTITIONS }, (_, partition) => this.#open(partition)))
  }

  /** BullMQ waits for a connection that is not there, and never gets over one that is lost while it opens a queue. */
  async #open(partition: number): Promise<Queue<CommandJob>> {
    if (this.#redis.status !== 'ready') throw new ConnectionLost('the connection to Redis is lost')
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
  const queue = new TolerantQueue(queueName(partition), { connection, prefix })
  // Connections report their own losses; without a listener the same error would end the process.
  queue.on('error', () => undefined)
  return queue
}

/** Commands of a partition run in order, whichever worker takes them. */
export async function runOneAtATime(queue: Queue<CommandJob>): Promise<void> {
  await queue.setGlobalConcurrency(1)
}
