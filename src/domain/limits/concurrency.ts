/** The concurrency limit, a kind of limit: at most `capacity` reservations of a key at once. */
import type { HeldReading } from '../reading.ts'
import { DefinedLimit } from './defined-limit.ts'
import type { Demand, LimitArithmetic } from './limit-arithmetic.ts'
import type { LimitKind } from './limit-kind.ts'

export interface ConcurrencyLimit {
  readonly kind: 'concurrency'
  readonly name: string
  /** Reservations at once. */
  readonly capacity: number
  readonly shadow?: true
}

/** A unit is a slot. Nothing is ever spent: what is not left is held. */
export class CompiledConcurrency extends DefinedLimit<ConcurrencyLimit> implements LimitArithmetic {
  get kind(): 'concurrency' {
    return 'concurrency'
  }

  get isSpent(): boolean {
    return false
  }

  /** A reservation takes one slot, however many tokens it holds. */
  get maxTokensPerCheck(): number {
    return Number.POSITIVE_INFINITY
  }

  get refill(): string {
    return 'each returns when its reservation ends'
  }

  demandOf({ reserves = false }: Demand): number {
    return reserves ? 1 : 0
  }

  heldUnits(held: HeldReading | undefined): number {
    return held?.count ?? 0
  }

  spentAt(): number {
    return 0
  }

  fullAfterMs(): number {
    return 0
  }

  chargedWith(): number {
    return 0
  }

  debtIn(): number {
    return 0
  }

  recordedAt(): CompiledConcurrency {
    return this
  }

  waitFor(): number {
    return 0
  }

  spentLater(): number {
    return 0
  }

  /** While the store is unavailable, reservations are not counted. */
  shareOf(): CompiledConcurrency {
    return this
  }
}

export const CONCURRENCY: LimitKind<ConcurrencyLimit, CompiledConcurrency> = {
  members: { kind: true, name: true, capacity: true, shadow: true },
  textOf: () => 'concurrency',
  storedFault: () => undefined,
  faults: () => [],
  compile: (limit, id) => new CompiledConcurrency(limit, id),
}
