import { CheckQueue } from './check-queue.ts'
import type { Check, CheckOptions, Decision, Fallback } from './decision.ts'
import { readOptions, type Settings, type ThrottlerOptions } from './options.ts'
import { PendingCheck } from './pending-check.ts'
import { Service } from './service.ts'

/** Asks a Throttler service for decisions. */
export class Throttler {
  readonly #settings: Settings
  readonly #service: Service
  readonly #sharedQueue: CheckQueue

  /** @throws {TypeError} if an option is missing, unknown or invalid; the message names it */
  constructor(options: ThrottlerOptions) {
    this.#settings = readOptions(options)
    this.#service = new Service(this.#settings.url, this.#settings.token)
    this.#sharedQueue = this.#newQueue()
  }

  /**
   * Decides one check.
   * @param options the tokens that it costs, or an object with them and the policy
   * @throws only if `onFailure` is `throw`: a {@link ServiceError}, or whatever kept the service from answering
   */
  async check(key: string, options?: CheckOptions | number): Promise<Decision | Fallback> {
    return this.#ask(key, typeof options === 'object' ? options : { tokens: options }, this.#queue())
  }

  /**
   * Decides many checks, each on its own, in calls of up to 1,000 checks.
   * @returns the decisions in the order of the checks
   * @throws as {@link check} does, with the first failure
   */
  async checkMany(checks: readonly Check[]): Promise<(Decision | Fallback)[]> {
    const queue = this.#queue()
    // In JavaScript, a check can be missing. It is then as invalid as one without a key.
    return Promise.all(checks.map(check => this.#ask(check?.key, check, queue)))
  }

  async #ask(key: string, options: CheckOptions | undefined, queue: CheckQueue): Promise<Decision | Fallback> {
    try {
      const check = new PendingCheck(key, options ?? {}, this.#settings.timeoutMs)
      queue.add(check)
      return await check.decision
    } catch (failure) {
      this.#report(failure)
      if (this.#settings.onFailure === 'throw') throw failure
      return { allowed: this.#settings.onFailure === 'allow', key, source: 'client', failure }
    }
  }

  /** A report that fails must not break the check. */
  #report(failure: unknown): void {
    const report = async () => {
      await this.#settings.onError(failure)
    }
    report().catch(() => undefined)
  }

  #queue(): CheckQueue {
    return this.#settings.shareCalls ? this.#sharedQueue : this.#newQueue()
  }

  #newQueue(): CheckQueue {
    return new CheckQueue(this.#service, this.#settings.timeoutMs)
  }
}
