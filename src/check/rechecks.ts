import type { PendingCheck, Recheck } from './pending-check.ts'

/**
 * Coalesces checks of an exhausted key: while one asks the store again, the same checks wait for its result. So a flood on one
 * key costs the store one call a second.
 */
export class Rechecks {
  readonly #byKey = new Map<string, Recheck>()
  #waiting = 0

  /** Checks that wait for another one's result. */
  get waiting(): number {
    return this.#waiting
  }

  /** Lets a check wait for the result of the same check. Returns `false` if none is in flight that ends by the check's deadline. */
  join(check: PendingCheck): boolean {
    const recheck = this.#byKey.get(check.key)
    if (recheck?.check.policy !== check.policy || recheck.check.tokens !== check.tokens) return false
    if (recheck.check.deadlineMs > check.deadlineMs) return false
    recheck.waiting.push(check)
    this.#waiting++
    return true
  }

  /** From now on the same checks may wait for this one's result. */
  begin(check: PendingCheck): void {
    check.recheck = { check, waiting: [] }
    this.#byKey.set(check.key, check.recheck)
  }

  /** Returns the checks that waited for this one's result. */
  end(check: PendingCheck): readonly PendingCheck[] {
    const { recheck } = check
    if (recheck === undefined) return []
    check.recheck = undefined
    if (this.#byKey.get(check.key) === recheck) this.#byKey.delete(check.key)
    this.#waiting -= recheck.waiting.length
    return recheck.waiting
  }
}
