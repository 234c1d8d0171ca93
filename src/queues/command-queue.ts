import type { ConnectionOptions, Queue } from 'bullmq'
import type { CommandQueue } from '../config-change/ports.ts'
import { type CommandId, partitionOf } from '../domain/command-id.ts'
import type { QueuedCommand } from '../domain/commands.ts'
import { CONFIG_PARTITIONS } from '../domain/partition.ts'
import type { RedisClient } from '../redis/connection/connection.ts'
import { ConnectionLost } from '../redis/connection/transient.ts'
import { ConfigKeys, queueName } from '../redis/keys.ts'
import { type CommandJob, jobOf, jobOptionsOf } from './command-job.ts'
import { MalformedJobQueue } from './malformed-job-queue.ts'
import type { QueueState } from './queue-watch.ts'

const JOB_STATES = ['waiting', 'active', 'delayed', 'completed', 'failed'] as const
type JobState = (typeof JOB_STATES)[number]

/** The producer's side: one BullMQ queue for each partition, over one connection whose commands fail fast. */
export class BullCommandQueue implements CommandQueue {
  readonly #redis: RedisClient
  readonly #keyPrefix: string
  readonly #queues = new Map<number, Queue<CommandJob>>()

  constructor(redis: RedisClient, keyPrefix: string) {
    this.#redis = redis
    this.#keyPrefix = keyPrefix
  }

  /** Restores the queue's concurrency of 1 with each command, since a flush of the store removes it. */
  async add(command: QueuedCommand): Promise<void> {
    const queue = await this.#open(partitionOf(command.id))
    await Promise.all([runOneAtATime(queue), queue.add(command.type, jobOf(command), jobOptionsOf(command))])
  }

  /**
   * Redis may have denied BullMQ a command in the middle of adding the job, which is then in no list. BullMQ would take it for queued, so it
   * is removed first. So is one that another process has just added, unless a worker has it already.
   */
  async addAgain(command: QueuedCommand): Promise<void> {
    const queue = await this.#open(partitionOf(command.id))
    if ((await queue.getJobState(command.id)) === 'unknown') await queue.remove(command.id)
    await this.add(command)
  }

  async findQueued(id: CommandId): Promise<{ key?: string } | undefined> {
    const job = await (await this.#open(partitionOf(id))).getJob(id)
    if (job === undefined || job.finishedOn !== undefined) return undefined
    // Another program may have written the job.
    const key: unknown = Object(Object(job.data).command).key
    return typeof key === 'string' ? { key } : {}
  }

  /** Whether a worker has taken the command. */
  async isTaken(id: CommandId): Promise<boolean> {
    const queue = await this.#open(partitionOf(id))
    return (await queue.getJobState(id)) !== 'waiting'
  }

  /** Jobs of all queues together, by state. */
  async countJobs(): Promise<Record<JobState, number>> {
    const sum = { waiting: 0, active: 0, delayed: 0, completed: 0, failed: 0 }
    const queues = await this.queues()
    for (const counts of await Promise.all(queues.map(queue => queue.getJobCounts(...JOB_STATES)))) {
      for (const state of JOB_STATES) sum[state] += counts[state] ?? 0
    }
    return sum
  }

  /** The state of a partition's queue. It is read often, and plain commands cost less than BullMQ's scripts. */
  async state(partition: number): Promise<QueueState> {
    const queue = await this.#open(partition)
    const [isPaused, active, next] = await Promise.all([
      queue.isPaused(),
      this.#redis.lindex(queue.toKey('active'), -1),
      this.#redis.lindex(queue.toKey('wait'), -1),
      this.#requireOwnKeys(queue),
    ])
    return { isPaused, first: active ?? next ?? undefined, lease: await this.#leaseOf(partition, active) }
  }

  /** Fails if BullMQ cannot add commands, because one of its own keys is of another type. */
  async #requireOwnKeys(queue: Queue): Promise<void> {
    await Promise.all([this.#redis.get(queue.toKey('id')), this.#redis.xlen(queue.toKey('events'))])
  }

  /** A worker renews the lock of its command for as long as it lives. */
  #leaseOf(partition: number, taken: string | null): Promise<string | null> {
    if (taken === null) return Promise.resolve(null)
    return this.#redis.get(new ConfigKeys(this.#keyPrefix, partition).lock(taken))
  }

  /** Whether a worker takes commands; also true if the query fails. */
  async hasWorker(partition: number): Promise<boolean> {
    const queue = await this.#open(partition)
    return queue.getWorkersCount().then(
      count => count > 0,
      () => true,
    )
  }

  /** The queue of every partition. */
  queues(): Promise<readonly Queue<CommandJob>[]> {
    return Promise.all(Array.from({ length: CONFIG_PARTITIONS }, (_, partition) => this.#open(partition)))
  }

  /** Fails without a connection: BullMQ would wait for one, and never recovers from losing it while it opens a queue. */
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
  const { queuePrefix: prefix } = new ConfigKeys(keyPrefix, partition)
  const queue = new MalformedJobQueue(queueName(partition), { connection, prefix })
  // The connection reports its losses; an error without a listener would end the process.
  queue.on('error', () => undefined)
  return queue
}

/** Makes the commands of a partition run in order, whichever worker takes them. */
export async function runOneAtATime(queue: Queue<CommandJob>): Promise<void> {
  await queue.setGlobalConcurrency(1)
}
