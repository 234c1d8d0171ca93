import { setTimeout as sleep } from 'node:timers/promises'
import type { Job, Queue } from 'bullmq'
import { type CommandId, parseCommandId } from '../src/domain/command-id.ts'
import type { Outcome } from '../src/domain/outcome.ts'
import { CONFIG_PARTITIONS } from '../src/domain/partition.ts'
import { withDeadline } from '../src/lib/deadline.ts'
import { isFulfilled } from '../src/lib/is-fulfilled.ts'
import type { Logger } from '../src/observability/logger.ts'
import type { CommandJob } from '../src/queues/command-job.ts'
import { openQueue, runOneAtATime } from '../src/queues/command-queue.ts'
import { CommandWorker } from '../src/queues/command-worker.ts'
import { repairJobs } from '../src/queues/repair-jobs.ts'
import type { RedisClient } from '../src/redis/connection/connection.ts'
import { isTransient } from '../src/redis/connection/transient.ts'
import { ConfigKeys, queueName } from '../src/redis/keys.ts'
import type { ConfigChangeProcessor } from './config-change.processor.ts'
import { retryWhileUnavailable } from './retry-while-unavailable.ts'

/**
 * Locks are short: a command whose worker was killed runs again after 1 to 2.5 s, before its successors. Running a command twice is
 * harmless, since the append compares leases.
 * @see https://docs.bullmq.io/guide/jobs/stalled
 */
const WORKER_OPTIONS = {
  concurrency: 1,
  lockDuration: 2_000,
  stalledInterval: 500,
  runRetryDelay: 1_000,
  // How long one command waits for a job, in s: a Redis that does not answer for longer is found to hang.
  drainDelay: 1,
}

const DRAIN_POLL_MS = 20

/** A queue in which nothing has advanced for this long is stuck, in ms. A slow store applies a step of an import in less. */
const STUCK_AFTER_MS = 10_000

/**
 * How long a stop waits for a store that cannot be reached, and for each of its answers, in ms. The embedded store refuses
 * connections while it cannot write, which it retries twice a second.
 */
const UNREACHABLE_PATIENCE_MS = 1_500

/** During a stop, a Redis that does not answer for this long counts as hung, in ms. */
const STOP_PATIENCE_MS = 500

/** A queue that has not answered its worker for this long is unreachable, in ms; a hung server is noticed after three seconds. */
const UNREACHABLE_AFTER_MS = 5_000

interface ConfigWorkersOptions {
  readonly connection: RedisClient
  readonly keyPrefix: string
  readonly processor: ConfigChangeProcessor
  /** The outcome of a command, if it has one. */
  outcomeOf(commandId: CommandId): Promise<Outcome | undefined>
  /** How many steps of imports this process has applied. */
  importSteps(): number
  /** Called for each command that failed. */
  failed(commandId: CommandId): void
  readonly logger: Logger
}

/** One BullMQ worker for each partition. */
export class ConfigWorkers {
  readonly #options: ConfigWorkersOptions
  readonly #queues: readonly Queue<CommandJob>[]
  readonly #workers: readonly CommandWorker[]
  /** The keys of the partitions' event logs. */
  readonly #logs: readonly string[]

  constructor(options: ConfigWorkersOptions) {
    const { connection, keyPrefix, processor, logger } = options
    const partitions = Array.from({ length: CONFIG_PARTITIONS }, (_, partition) => partition)
    const keys = partitions.map(partition => new ConfigKeys(keyPrefix, partition))
    this.#options = options
    this.#queues = partitions.map(partition => openQueue(connection, keyPrefix, partition))
    this.#logs = keys.map(({ log }) => log)
    this.#workers = keys.map(({ queuePrefix: prefix }, partition) => {
      const worker = new CommandWorker(queueName(partition), processor, {
        ...WORKER_OPTIONS,
        connection,
        prefix,
        autorun: false,
      })
      worker.on('error', err => void this.#handleError(partition, err))
      worker.on('stalled', commandId =>
        logger.warn({ commandId, partition }, 'the worker of a command died: the command runs again'),
      )
      worker.on('failed', (job, err) => void this.#handleFailed(partition, job, err))
      return worker
    })
  }

  /** The error may be that of a malformed job. Without Redis there is nothing to repair. */
  async #handleError(partition: number, err: Error): Promise<void> {
    const { connection, logger } = this.#options
    logger.debug({ err, partition }, 'the worker had an error')
    const queue = this.#queues[partition]
    if (queue === undefined || isTransient(err)) return
    const repairs = await repairJobs(connection, queue).catch(() => [])
    for (const repair of repairs) logger.error({ ...repair, partition, err }, 'a malformed job was repaired')
  }

  /** A worker of an earlier release fails a job after a hundred deaths, even that of a command that has ended. */
  async #handleFailed(partition: number, job: Job<CommandJob> | undefined, { message: reason }: Error): Promise<void> {
    const { outcomeOf, failed, logger } = this.#options
    const fields = { commandId: job?.id, partition, reason }
    const id = parseCommandId(job?.id ?? '')
    const outcome = id && (await retryWhileUnavailable(() => outcomeOf(id)).catch(() => undefined))
    if (outcome !== undefined) {
      logger.warn({ ...fields, status: outcome.status }, 'the job of a command that has ended failed: it is removed')
      await job?.remove().catch(() => undefined)
      return
    }
    logger.error(fields, 'command failed')
    if (id !== undefined) failed(id)
  }

  /** Takes commands once every queue is set to run one at a time across all workers. */
  async start(): Promise<void> {
    await retryWhileUnavailable(() => this.#restoreConcurrency())
    this.#options.connection.on('ready', () => void this.#restoreConcurrency().catch(() => undefined))
    for (const worker of this.#workers) void worker.run()
  }

  /** A flush of the store removes the setting, so it is restored on every reconnect. */
  async #restoreConcurrency(): Promise<void> {
    await Promise.all(this.#queues.map(runOneAtATime))
  }

  /**
   * Waits until no command is queued or running, nothing has advanced for ten seconds, or the store cannot be reached.
   * @returns the commands that are left, as far as the store tells
   */
  async drain(): Promise<number> {
    const left = await this.#waitUntilEmpty()
    if (left === 0) return 0
    // The running commands have not advanced either: each waits for the store without a limit.
    await Promise.all(this.#workers.map(worker => worker.close(true)))
    return (await this.#findUnfinished())?.commands ?? left
  }

  async #waitUntilEmpty(): Promise<number> {
    let left = 0
    let progress = ''
    let advancedAt = performance.now()
    let reachedAt = advancedAt
    const isLate = () =>
      performance.now() - advancedAt >= STUCK_AFTER_MS || performance.now() - reachedAt >= UNREACHABLE_PATIENCE_MS
    while (!isLate()) {
      const found = await this.#findUnfinished()
      if (found?.commands === 0) return 0
      left = found?.commands ?? left
      if (found !== undefined && found.progress !== progress) {
        progress = found.progress
        advancedAt = performance.now()
      }
      if (this.#options.connection.status === 'ready') reachedAt = performance.now()
      await sleep(DRAIN_POLL_MS)
    }
    return left
  }

  /**
   * In all queues together, since a part of an import may queue the other parts. An import is one command for a long time, so its
   * steps are progress too. `undefined` if the store does not tell.
   */
  async #findUnfinished(): Promise<{ readonly commands: number; readonly progress: string } | undefined> {
    const counting = Promise.all(this.#queues.map(queue => queue.getJobCountByTypes('waiting', 'active')))
    const counts = await withDeadline(counting, UNREACHABLE_PATIENCE_MS).catch(() => undefined)
    if (counts === undefined) return undefined
    const progress = [...counts, this.#options.importSteps()].join()
    return { commands: counts.reduce((sum, count) => sum + count), progress }
  }

  /** Takes no further commands, and gives the running ones some time to end. */
  async close(): Promise<void> {
    await this.#closeWorkers()
    await Promise.all(this.#queues.map(queue => queue.close()))
  }

  async #closeWorkers(): Promise<void> {
    await Promise.all(this.#workers.map((worker, partition) => this.#closeWorker(worker, partition)))
  }

  /** Without the server of its partition no running command can end, and BullMQ would wait for it. */
  async #closeWorker(worker: CommandWorker, partition: number): Promise<void> {
    const force = !(await answersSoon(this.#options.connection, this.#logs[partition] as string))
    await worker.close(force)
  }

  /** The partitions whose queue has not answered its worker for some seconds. */
  get unreachablePartitions(): readonly number[] {
    return this.#workers.flatMap(({ unreachedMs }, partition) => (unreachedMs >= UNREACHABLE_AFTER_MS ? partition : []))
  }
}

/** Whether the server that has this key answers. */
async function answersSoon(redis: RedisClient, key: string): Promise<boolean> {
  if (redis.status !== 'ready') return false
  const late = sleep(STOP_PATIENCE_MS, false, { ref: false })
  return Promise.race([isFulfilled(redis.exists(key)), late])
}
