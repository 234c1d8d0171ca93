import type { PolicyTable } from '../../domain/policy-table.ts'
import { endOf, enforcedAt, type StoredPolicy } from '../../domain/temporary-policy.ts'

/** The longest wait for an end, in ms, so that a clock that is set forward is noticed. A timer cannot wait for longer than 24 days. */
const MAX_WAIT_MS = 500

/** Policies that are switched in one turn of the event loop: about 10 ms. */
const SWITCHES_PER_TURN = 10_000

interface PoliciesInForceOptions {
  readonly table: Pick<PolicyTable, 'get' | 'set' | 'delete' | 'configKeys'>
  /** The clock of this process, in ms since 1970. */
  now(): number
}

/** A temporary policy that is in force. */
interface Temporary {
  readonly version: number
  readonly policy: StoredPolicy
  readonly endMs: number
}

/**
 * Keeps the policy table at what is in force now: at the end of a temporary policy, it puts what follows into the table, without any
 * store. Checks only read the table, so they cost the same as without temporary policies.
 */
export class PoliciesInForce {
  readonly #options: PoliciesInForceOptions
  readonly #temporary = new Map<string, Temporary>()
  #timer: NodeJS.Timeout | undefined
  /** The next end, or earlier: that policy may have been replaced. */
  #nextMs = Number.POSITIVE_INFINITY

  constructor(options: PoliciesInForceOptions) {
    this.#options = options
  }

  get(configKey: string): { readonly version: number } | undefined {
    return this.#options.table.get(configKey)
  }

  configKeys(): Iterable<string> {
    return this.#options.table.configKeys()
  }

  set(configKey: string, version: number, policy: StoredPolicy): void {
    const nowMs = this.#options.now()
    this.#temporary.delete(configKey)
    this.#enforce(configKey, version, policy, nowMs)
    const endMs = endOf(policy)
    if (endMs === undefined || endMs <= nowMs) return
    this.#temporary.set(configKey, { version, policy, endMs })
    this.#wakeAt(endMs, nowMs)
  }

  delete(configKey: string): void {
    this.#temporary.delete(configKey)
    this.#options.table.delete(configKey)
  }

  stop(): void {
    clearTimeout(this.#timer)
  }

  #enforce(configKey: string, version: number, policy: StoredPolicy, nowMs: number): void {
    const { table } = this.#options
    const enforced = enforcedAt(policy, nowMs)
    if (enforced === null) table.delete(configKey)
    else table.set(configKey, version, enforced)
  }

  /** One timer, for the next end. */
  #wakeAt(endMs: number, nowMs: number): void {
    if (endMs >= this.#nextMs) return
    this.#nextMs = endMs
    this.#wait(nowMs)
  }

  #wait(nowMs: number): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#wake(), Math.min(this.#nextMs - nowMs, MAX_WAIT_MS)).unref()
  }

  #wake(): void {
    const nowMs = this.#options.now()
    if (nowMs < this.#nextMs) this.#wait(nowMs)
    else this.#switchDue(nowMs)
  }

  #switchDue(nowMs: number): void {
    let nextMs = Number.POSITIVE_INFINITY
    let switches = 0
    for (const [configKey, { version, policy, endMs }] of this.#temporary) {
      if (endMs > nowMs || switches === SWITCHES_PER_TURN) {
        nextMs = Math.min(nextMs, endMs)
        continue
      }
      this.#temporary.delete(configKey)
      this.#enforce(configKey, version, policy, nowMs)
      switches++
    }
    this.#nextMs = Number.POSITIVE_INFINITY
    this.#wakeAt(nextMs, nowMs)
  }
}
