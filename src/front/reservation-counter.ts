import type { Registry } from 'prom-client'
import type { BucketCheck, ReservationObserver, SettledKey } from '../check/ports.ts'
import type { EndedStatus } from '../domain/reservation.ts'
import { PolicyCounter } from './policy-counter.ts'
import type { PolicyLabels } from './policy-labels.ts'

/** Counts what becomes of reservations, and what they cost. One of several keys counts once for each key. */
export class ReservationCounter implements ReservationObserver {
  readonly #reservations: PolicyCounter
  readonly #settledTokens: PolicyCounter
  readonly #unchargedTokens: PolicyCounter

  constructor(registry: Registry, labels: PolicyLabels) {
    const shared = { registry, labels }
    this.#reservations = new PolicyCounter({
      name: 'throttler_reservations_total',
      help: 'Reservations, by policy and by what became of them',
      label: 'outcome',
      ...shared,
    })
    this.#settledTokens = new PolicyCounter({
      name: 'throttler_settled_tokens_total',
      help: 'Tokens of settled reservations: reserved, and charged',
      label: 'part',
      ...shared,
    })
    this.#unchargedTokens = new PolicyCounter({
      name: 'throttler_uncharged_tokens_total',
      help: 'Tokens that were settled beyond the largest debt of a limit, so that they are not charged',
      ...shared,
    })
  }

  reserved(check: Pick<BucketCheck, 'key' | 'policy'>, outcome: 'held' | 'denied'): void {
    this.#reservations.add(check, outcome)
  }

  ended(key: SettledKey, status: EndedStatus): void {
    this.#reservations.add(key, status)
    if (status === 'released') return
    this.#settledTokens.add(key, 'reserved', key.reserved ?? 0)
    this.#settledTokens.add(key, 'charged', key.charged)
    if (key.tokens > key.charged) this.#unchargedTokens.add(key, '', key.tokens - key.charged)
  }

  expired(check: Pick<BucketCheck, 'key' | 'policy'>, holds: number): void {
    this.#reservations.add(check, 'expired', holds)
  }
}
