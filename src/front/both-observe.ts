import type { CheckObserver } from '../check/ports.ts'

/** An observer that tells another one of each check, too. */
export function bothObserve(
  observer: CheckObserver,
  checks: Pick<CheckObserver, 'decided' | 'undecided'>,
): CheckObserver {
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
