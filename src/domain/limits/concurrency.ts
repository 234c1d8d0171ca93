/** The concurrency limit, a kind of limit: at most `capacity` reservations of a key at once. */
import type { HeldReading } from '../reading.ts'
import type { Demand, LimitArithmetic } from './limit-arithmetic.ts'
import type { LimitKind } from './limit-kind.ts'
import { isShadow } from './shadow.ts'

export interface ConcurrencyLimit {
  readonly kind: 'concurrency'
  readonly name: string
  /** Reservations at once. */
  readonly capacity: number
  readonly shadow?: true
}

/** A unit is a slot. Nothing is ever spent: what is not left is held. */
export class CompiledConcurrency implements LimitArithmetic {
  readonly id: number
  readonly definition: ConcurrencyLimit

  constructor(definition: ConcurrencyLimit, id: number) {
    this.id = id
    this.definition = definition
  }

  get kind(): 'concurrency' {
    return 'concurrency'
  }

  get name(): string {
    return this.definition.name
  }

  get capacity(): number {
    return this.definition.capacity
  }

  get isShadow(): boolean {
    return isShadow(this.definition)
  }

  get isSpent(): boolean {
    return false
  }

  get unitsPerToken(): number {
    return 1
  }

  get capacityUnits(): number {
    return this.capacity
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
