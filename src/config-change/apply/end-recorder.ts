import { createHash } from 'node:crypto'
import { commandId } from '../../domain/command-id.ts'
import type { ExpirePolicy } from '../../domain/commands.ts'
import { CONFIG_PARTITIONS } from '../../domain/partition.ts'
import { SERVICE_ACTOR } from '../../domain/policy-record.ts'
import type { CommandQueue, DueEnd, EndReader } from '../ports.ts'

/** In ms. An end is recorded within a minute, so several attempts may fail, and many ends may be due at once. */
const INTERVAL_MS = 1_000

/** In ms. A command whose end is still due may have failed, so it is queued again. Often enough that the minute is kept after a repair. */
const RETRY_AFTER_MS = 30_000

/** Ends of each partition in one round, so that changes by operators do not wait behind them for long. */
const ENDS_PER_PARTITION = 500

interface EndRecorderOptions {
  readonly reader: EndReader
  readonly queue: Pick<CommandQueue, 'addAgain'>
  /** Called if a round of a partition fails after one that did not. The next one tries again. */
  failed(err: Error, partition: number): void
}

interface Partition {
  readonly number: number
  /** When the commands of the ends that are still due were queued, by a monotonic clock in ms. */
  queuedMs: ReadonlyMap<string, number>
  hasFailed: boolean
}

/**
 * Has the ends of temporary policies recorded in the log: queues an ordinary command for each. No check and no read waits for it,
 * since every process knows the ends itself.
 */
export class EndRecorder {
  readonly #options: EndRecorderOptions
  readonly #partitions: readonly Partition[]
  #timer: NodeJS.Timeout | undefined
  #isStopped = false

  constructor(options: EndRecorderOptions) {
    this.#options = options
    this.#partitions = Array.from({ length: CONFIG_PARTITIONS }, (_, number) => ({
      number,
      queuedMs: new Map(),
      hasFailed: false,
    }))
  }

  /** Begins the first round, and each further one a while after the one before it. */
  async start(): Promise<void> {
    if (this.#isStopped) return
    await this.record()
    if (!this.#isStopped) this.#timer = setTimeout(() => void this.start(), INTERVAL_MS)
  }

  stop(): void {
    this.#isStopped = true
    clearTimeout(this.#timer)
  }

  /** Queues a command for each end that is due. Damage in one partition does not concern the others. */
  async record(): Promise<void> {
    await Promise.all(this.#partitions.map(partition => this.#attempt(partition)))
  }

  async #attempt(partition: Partition): Promise<void> {
    try {
      await this.#recordIn(partition)
      partition.hasFailed = false
    } catch (err) {
      if (!partition.hasFailed) this.#options.failed(err as Error, partition.number)
      partition.hasFailed = true
    }
  }

  async #recordIn(partition: Partition): Promise<void> {
    const { reader, queue } = this.#options
    const nowMs = performance.now()
    const queuedMs = new Map<string, number>()
    for (const end of await reader.dueEnds(partition.number, ENDS_PER_PARTITION)) {
      const command = expireCommand(end)
      const earlierMs = partition.queuedMs.get(command.id)
      const isUnderWay = earlierMs !== undefined && nowMs - earlierMs < RETRY_AFTER_MS
      if (!isUnderWay) await queue.addAgain(command)
      queuedMs.set(command.id, isUnderWay ? earlierMs : nowMs)
    }
    partition.queuedMs = queuedMs
  }
}

/** Equal for every worker and round, so that the command is queued once. */
function expireCommand({ key, version }: DueEnd): ExpirePolicy {
  const id = commandId(key, uuidOf(`${version} ${key}`))
  return { id, type: 'expire', key, version, actor: SERVICE_ACTOR }
}

/** A UUID of version 8, which leaves the content to the application. @see https://www.rfc-editor.org/rfc/rfc9562#section-5.8 */
function uuidOf(text: string): string {
  const hex = createHash('sha256').update(text).digest('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}
