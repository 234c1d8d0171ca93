import { type ConnectionOptions, Queue } from 'bullmq'
import type { CommandQueue } from '../config-change/ports.ts'
import { type Command, partitionOfCommand } from '../domain/commands.ts'
import { CONFIG_PARTITIONS, configPartition } from '../domain/partition.ts'
import { type CommandJob, jobOptions } from './command-job.ts'
import { queueName, queuePrefix } from './queue-names.ts'

/** The producers' side: one BullMQ queue for each config partition, over one connection that fails fast. */
export class BullCommandQueue implements CommandQueue {
  readonly #queues: readonly Queue<CommandJob>[]

  constructor(connection: ConnectionOptions, keyPrefix: string) {
    this.#queues = Array.from({ length: CONFIG_PARTITIONS }, (_, partition) =>
      openQueue(connection, keyPrefix, partition),
    )
  }

  async add(command: Command, requestId: string): Promise<void> {
    const queue = this.#queues[configPartition(command.key)] as Queue<CommandJob>
    await queue.add(command.type, { command, requestId }, { ...jobOptions, jobId: command.id })
  }

  async close(): Promise<void> {
    await Promise.all(this.#queues.map(queue => queue.close()))
  }

  async findQueued(commandId: string): Promise<{ key: string } | undefined> {
    const job = await this.#queues[partitionOfCommand(commandId) ?? -1]?.getJob(commandId)
    return job && job.finishedOn === undefined ? { key: job.data.command.key } : undefined
  }
}

export function openQueue(connection: ConnectionOptions, keyPrefix: string, partition: number): Queue<CommandJob> {
  const queue = new Queue<CommandJob>(queueName(partition), {
    connection,
    prefix: queuePrefix(keyPrefix, partition),
    skipWaitingForReady: true,
  })
  // Connections report their own losses; without a listener the same error would end the process.
  queue.on('error', () => undefined)
  return queue
}
