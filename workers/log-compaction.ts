import { compactLog } from '../src/config-change/maintenance/compact.ts'
import type { MaintainedPartition } from '../src/config-change/maintenance/ports.ts'
import { faultFields } from '../src/lib/operator-error.ts'
import type { Logger } from '../src/observability/logger.ts'

const INTERVAL_MS = 5_000

interface LogCompactionOptions {
  readonly partitions: readonly MaintainedPartition[]
  /** How many events of each partition are kept. */
  readonly keep: number
  readonly logger: Logger
}

/** Compacts the logs regularly. Several workers may do so at the same time. */
export class LogCompaction {
  readonly #options: LogCompactionOptions
  readonly #timer: NodeJS.Timeout
  #running: Promise<void> | undefined

  constructor(options: LogCompactionOptions) {
    this.#options = options
    this.#timer = setInterval(() => this.#run(), INTERVAL_MS)
  }

  #run(): void {
    this.#running ??= this.#compactAll().finally(() => {
      this.#running = undefined
    })
  }

  async #compactAll(): Promise<void> {
    for (const partition of this.#options.partitions) await this.#compact(partition)
  }

  /** If a log cannot be compacted, the others still are. */
  async #compact({ number: partition, log }: MaintainedPartition): Promise<void> {
    const { keep, logger } = this.#options
    try {
      const events = await compactLog(log, keep, { advanced: () => undefined })
      if (events > 0) logger.info({ partition, events }, 'the log was compacted')
    } catch (err) {
      logger.warn({ ...faultFields(err), partition }, 'cannot compact the log; retrying')
    }
  }

  stop(): void {
    clearInterval(this.#timer)
  }
}
