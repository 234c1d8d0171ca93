import type { Logger } from '../observability/logger.ts'

const INTERVAL_MS = 2_000

/** Logs how far a long part of the start is, every 2 s. */
export class StartProgress {
  readonly #logger: Logger
  readonly #message: string
  readonly #startedAt = performance.now()
  #reportedAt = this.#startedAt

  constructor(logger: Logger, message: string) {
    this.#logger = logger
    this.#message = message
  }

  /** Called after each piece of the work. */
  report(done: object): void {
    if (performance.now() - this.#reportedAt < INTERVAL_MS) return
    this.#reportedAt = performance.now()
    this.#logger.info(done, this.#message)
  }

  /** Since the part began, in ms. */
  get ms(): number {
    return Math.round(performance.now() - this.#startedAt)
  }
}
