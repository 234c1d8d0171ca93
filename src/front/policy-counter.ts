import { Counter, type CounterConfiguration, type Registry } from 'prom-client'
import { type Counted, CountsByPolicy } from './counts-by-policy.ts'
import type { PolicyLabels } from './policy-labels.ts'

interface PolicyCounterOptions extends Pick<CounterConfiguration<string>, 'name' | 'help'> {
  readonly registry: Registry
  readonly labels: PolicyLabels
  /** The label besides `policy`, if there is one. */
  readonly label?: string
}

/** Counts by policy, and by one more label, in plain numbers, and adds them to Prometheus' counter at a scrape. */
export class PolicyCounter {
  /** Since the last scrape, by the value of the other label. */
  readonly #counts: CountsByPolicy<Map<string, number>>

  constructor({ registry, labels, label, name, help }: PolicyCounterOptions) {
    const counts = new CountsByPolicy<Map<string, number>>(labels, () => new Map())
    this.#counts = counts
    new Counter({
      name,
      help,
      labelNames: label === undefined ? ['policy'] : ['policy', label],
      registers: [registry],
      collect() {
        for (const [policy, ofPolicy] of counts.entries()) {
          for (const [value, count] of ofPolicy) {
            this.inc(label === undefined ? { policy } : { policy, [label]: value }, count)
            ofPolicy.set(value, 0)
          }
        }
      },
    })
  }

  /** @param value of the other label */
  add(counted: Counted, value = '', count = 1): void {
    const counts = this.#counts.of(counted)
    counts.set(value, (counts.get(value) ?? 0) + count)
  }
}
