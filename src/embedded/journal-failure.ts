import type { Logger } from '../observability/logger.ts'

/** Why the journal cannot be written, while it cannot. Each change is logged once. */
export class JournalFailure {
  readonly #path: string
  readonly #logger: Logger
  #current: Error | undefined

  constructor(path: string, logger: Logger) {
    this.#path = path
    this.#logger = logger
  }

  get current(): Error | undefined {
    return this.#current
  }

  set(err: NodeJS.ErrnoException): void {
    const { code, message: reason } = err
    if (this.#current?.message !== reason) {
      this.#logger.error({ path: this.#path, code, reason }, 'the journal cannot be written: changes are refused')
    }
    this.#current = err
  }

  clear(): void {
    if (this.#current === undefined) return
    this.#current = undefined
    this.#logger.info({ path: this.#path }, 'the journal can be written again: changes are accepted')
  }
}
