import { compactLog } from '../src/config-change/maintenance/compact.ts'
import type { MaintainedPartition } from '../src/config-change/maintenance/ports.ts'
import type { Logger } from '../src/logger.ts'

const INTERVAL_MS = 5_000

interface LogCompactionOptions {
  readonly partitions: readonly MaintainedPartition[]
  /** How many events of each partition are kept. */
  readonly keep: number
  readonly logger: Logger
}

/** Keeps the logs short. Several workers may do so at once. */
export class LogCompaction {
  readonly #options: LogCompactionOptions
  readonly #timer: NodeJS.Timeout
  #running: Promise<void> | undefined

  constructor(options: LogCompactionOptions) {
    this.#options = options
    this.#timer = setInterval(() => this.#run(), INTERVAL_MS)
  }

  #run(): void {
    this.#running ??= this.#compactAll()
      .catch(err => this.#options.logger.warn({ err }, 'the logs could not be compacted; this will be tried again'))
      .finally(() => {
        this.#running = undefined
      })
  }

  async #compactAll(): Promise<void> {
    const { partitions, keep, logger } = this.#options
    for (const { number: partition, log } of partitions) {
      const events = await compactLog(log, keep, { advanced: () => undefined })
      if (events > 0) logger.info({ partition, events }, 'the log was compacted')
    }
  }

  stop(): void {
    clearInterval(this.#timer)
  }
}
