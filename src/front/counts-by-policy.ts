import { comesWithCall, type Policy, REQUEST_POLICY } from '../domain/policy.ts'
import { EXACT } from '../observability/first-policies.ts'
import { isOwn, type PolicyLabels } from './policy-labels.ts'

/** What counts: a key, and the policy that decides it. */
export interface Counted {
  readonly key: string
  readonly policy: Policy
}

/** The counts of each label of policies, found by the policy: finding a series by its labels costs more than counting. */
export class CountsByPolicy<Counts> {
  readonly #labels: PolicyLabels
  readonly #create: (label: string) => Counts
  readonly #byLabel = new Map<string, Counts>()
  readonly #byPolicy = new WeakMap<Policy, Counts>()
  readonly #ofExact: Counts

  constructor(labels: PolicyLabels, create: (label: string) => Counts) {
    this.#labels = labels
    this.#create = create
    this.#ofExact = create(EXACT)
    this.#byLabel.set(EXACT, this.#ofExact)
  }

  of({ key, policy }: Counted): Counts {
    if (isOwn(key, policy)) return this.#ofExact
    // There may be as many of these as checks, so nothing is kept for each.
    if (comesWithCall(policy)) return this.#ofLabel(REQUEST_POLICY)
    return this.#byPolicy.get(policy) ?? this.#add(policy)
  }

  #add(policy: Policy): Counts {
    const counts = this.#ofLabel(this.#labels.labelOf(policy))
    this.#byPolicy.set(policy, counts)
    return counts
  }

  #ofLabel(label: string): Counts {
    const known = this.#byLabel.get(label)
    if (known !== undefined) return known
    const counts = this.#create(label)
    this.#byLabel.set(label, counts)
    return counts
  }
}
