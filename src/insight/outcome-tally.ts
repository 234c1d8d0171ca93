import type { Decision } from '../domain/decision.ts'
import type { Outcome, OutcomeCounts } from './ports.ts'

/** Counts the checks of this process by outcome. */
export class OutcomeTally {
  readonly #counts: Record<Outcome, number> = { allowed: 0, denied: 0, shadowed: 0, error: 0 }

  decided({ shadowed, allowed }: Decision): void {
    if (shadowed) this.#counts.shadowed++
    else if (allowed) this.#counts.allowed++
    else this.#counts.denied++
  }

  undecided(): void {
    this.#counts.error++
  }

  /** Returns the counts since the last call, and resets them; `undefined` if there were no checks. */
  take(): OutcomeCounts | undefined {
    const counts = { ...this.#counts }
    if (Object.values(counts).every(count => count === 0)) return undefined
    Object.assign(this.#counts, { allowed: 0, denied: 0, shadowed: 0, error: 0 })
    return counts
  }
}
