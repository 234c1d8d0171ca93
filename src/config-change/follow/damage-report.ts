import type { Logger } from '../../observability/logger.ts'
import type { DamagedKey } from '../ports.ts'

interface DamageReportOptions {
  readonly logger: Logger
  /** As keys appear in logs. */
  loggedKey(key: string): string | undefined
}

/** Says of each damaged policy once that it is left out, whoever comes across it, until it is repaired. */
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

  /** Policies are left out, since they cannot be read at all. */
  unreadable(fault: DamagedKey): void {
    this.#options.logger.error({ reason: fault.message }, 'policies cannot be read and are not enforced')
  }

  /** A policy of the key was read. */
  repaired(key: string): void {
    this.#reported.delete(key)
  }
}
