import type { CheckObserver, ReservationObserver, SettledKey } from '../check/ports.ts'

/** What insight learns of the checks of callers, and of the costs of their reservations. */
export interface InsightOfChecks extends Pick<CheckObserver, 'decided' | 'undecided'> {
  settled(key: SettledKey): void
}

/** An observer that tells another one of each check, too. */
export function bothObserve(observer: CheckObserver, checks: InsightOfChecks): CheckObserver {
  return {
    decided: (decision, seconds, requestId) => {
      observer.decided(decision, seconds)
      checks.decided(decision, seconds, requestId)
    },
    undecided: (check, seconds) => {
      observer.undecided(check, seconds)
      checks.undecided(check, seconds)
    },
    storeCalled: (checks, seconds, failure) => observer.storeCalled(checks, seconds, failure),
  }
}

/** An observer of reservations that tells another one of what they cost, too. */
export function bothObserveEnds(observer: ReservationObserver, costs: InsightOfChecks): ReservationObserver {
  return {
    reserved: (check, outcome) => observer.reserved(check, outcome),
    ended: (key, status) => {
      observer.ended(key, status)
      costs.settled(key)
    },
    expired: (check, reservations) => observer.expired(check, reservations),
  }
}
