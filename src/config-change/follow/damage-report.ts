import type { Logger } from '../../observability/logger.ts'
import type { DamagedKey } from '../damaged-store.ts'

interface DamageReportOptions {
  readonly logger: Logger
  /** How the key appears in logs. */
  loggedKey(key: string): string | undefined
}

/** Logs each damaged policy once, whichever part of the process finds it, until it is repaired. */
export class DamageReport {
  readonly #options: DamageReportOptions
  readonly #reported = new Set<string>()

  constructor(options: DamageReportOptions) {
    this.#options = options
  }

  damaged(key: string): void {
    if (this.#reported.has(key)) return
    this.#reported.add(key)
    const { logger, loggedKey } = this.#options
    logger.error({ key: loggedKey(key) }, 'a policy is damaged and not enforced; "throttler rebuild" restores it')
  }

  /** All policies of a partition are skipped, because their key cannot be read. */
  unreadable(fault: DamagedKey): void {
    this.#options.logger.error({ reason: fault.message }, 'policies cannot be read and are not enforced')
  }

  /** The key has a readable policy again. */
  repaired(key: string): void {
    this.#reported.delete(key)
  }
}
