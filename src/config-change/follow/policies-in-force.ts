import type { PolicyTable } from '../../domain/policy-table.ts'
import { endOf, enforcedAt, type StoredPolicy } from '../../domain/temporary-policy.ts'
import { Heap, type HeapItem } from '../../lib/heap.ts'

/** The longest wait, in ms, so that a clock that was set is noticed. A timer cannot wait for longer than 24 days. */
const MAX_WAIT_MS = 500

/** Policies that are switched in one turn of the event loop: about 10 ms. */
const SWITCHES_PER_TURN = 10_000

interface PoliciesInForceOptions {
  readonly table: Pick<PolicyTable, 'get' | 'set' | 'delete' | 'configKeys'>
  /** The clock of this process, in ms since 1970. */
  now(): number
}

/** A temporary policy whose end is not recorded yet. */
interface Temporary extends HeapItem {
  readonly configKey: string
  readonly version: number
  readonly policy: StoredPolicy
  readonly endMs: number
  /** Whether the table has what follows it. */
  hasEnded: boolean
}

/**
 * Keeps the policy table at what is in force now: at the end of a temporary policy, it puts what follows into the table, without any
 * store. If the clock is set back before the end, it puts the policy itself there again. Checks only read the table, so they cost the
 * same as without temporary policies.
 */
export class PoliciesInForce {
  readonly #options: PoliciesInForceOptions
  readonly #temporary = new Map<string, Temporary>()
  /** Those in force, the next end first. */
  readonly #running = new Heap<Temporary>((a, b) => a.endMs < b.endMs)
  /** Those that have ended, the latest end first. */
  readonly #ended = new Heap<Temporary>((a, b) => a.endMs > b.endMs)
  #timer: NodeJS.Timeout | undefined
  /** When the timer wakes, by `performance.now()`, which nobody sets. */
  #wakeMs = Number.POSITIVE_INFINITY

  constructor(options: PoliciesInForceOptions) {
    this.#options = options
  }

  /** The version of a config key, also if its policy has ended and none follows. */
  get(configKey: string): { readonly version: number } | undefined {
    return this.#temporary.get(configKey) ?? this.#options.table.get(configKey)
  }

  *configKeys(): Iterable<string> {
    const { table } = this.#options
    yield* table.configKeys()
    for (const configKey of this.#temporary.keys()) if (table.get(configKey) === undefined) yield configKey
  }

  set(configKey: string, version: number, policy: StoredPolicy): void {
    const nowMs = this.#options.now()
    this.#forget(configKey)
    this.#enforce(configKey, version, policy, nowMs)
    const endMs = endOf(policy)
    if (endMs === undefined) return
    const temporary = { configKey, version, policy, endMs, hasEnded: endMs <= nowMs, heapIndex: 0 }
    this.#temporary.set(configKey, temporary)
    this.#heapOf(temporary).add(temporary)
    this.#wakeForNext(nowMs)
  }

  delete(configKey: string): void {
    this.#forget(configKey)
    this.#options.table.delete(configKey)
  }

  stop(): void {
    clearTimeout(this.#timer)
  }

  #forget(configKey: string): void {
    const temporary = this.#temporary.get(configKey)
    if (temporary === undefined) return
    this.#temporary.delete(configKey)
    this.#heapOf(temporary).remove(temporary)
  }

  #heapOf({ hasEnded }: Temporary): Heap<Temporary> {
    return hasEnded ? this.#ended : this.#running
  }

  #enforce(configKey: string, version: number, policy: StoredPolicy, nowMs: number): void {
    const { table } = this.#options
    const enforced = enforcedAt(policy, nowMs)
    if (enforced === null) table.delete(configKey)
    else table.set(configKey, version, enforced)
  }

  /** One timer, which wakes at the next end, and earlier to look at the clock. It runs while there are temporary policies. */
  #wakeForNext(nowMs: number): void {
    if (this.#temporary.size === 0) return
    const nextMs = this.#running.first?.endMs ?? Number.POSITIVE_INFINITY
    const waitMs = Math.min(nextMs - nowMs, MAX_WAIT_MS)
    const wakeMs = performance.now() + waitMs
    if (wakeMs >= this.#wakeMs) return
    this.#wakeMs = wakeMs
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#wake(), waitMs).unref()
  }

  #wake(): void {
    const nowMs = this.#options.now()
    for (let switches = 0; switches < SWITCHES_PER_TURN; switches++) {
      const due = this.#due(nowMs)
      if (due === undefined) break
      this.#switch(due, nowMs)
    }
    this.#wakeMs = Number.POSITIVE_INFINITY
    this.#wakeForNext(nowMs)
  }

  /** A policy for which the table does not have what the clock says. */
  #due(nowMs: number): Temporary | undefined {
    const [next, last] = [this.#running.first, this.#ended.first]
    if (next !== undefined && next.endMs <= nowMs) return next
    return last !== undefined && last.endMs > nowMs ? last : undefined
  }

  #switch(temporary: Temporary, nowMs: number): void {
    this.#heapOf(temporary).remove(temporary)
    temporary.hasEnded = !temporary.hasEnded
    this.#heapOf(temporary).add(temporary)
    this.#enforce(temporary.configKey, temporary.version, temporary.policy, nowMs)
  }
}
