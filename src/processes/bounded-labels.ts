import { FirstPolicies } from '../observability/first-policies.ts'
import { FirstValues } from '../observability/first-values.ts'
import type { MetricPart, MetricsPiece } from './messages.ts'

/** A label of a series, with its value as it is written. */
const LABEL = /(?<name>[a-z_]+)="(?<value>(?:[^"\\]|\\.)*)"/g

/**
 * Bounds the labels of all processes together: each process bounds its own, but they and their successors may count different policies
 * and limits. Series that get the same labels are added when they are merged.
 */
export class BoundedLabels {
  readonly #bounds = new Map<string, FirstPolicies | FirstValues>([
    ['policy', new FirstPolicies()],
    ['limit', new FirstValues()],
  ])

  inPiece(piece: MetricsPiece): MetricsPiece {
    return piece.map(part => (this.#isBounded(part) ? { ...part, series: part.series.map(this.#inSeries) } : part))
  }

  /** All series of a metric have the same labels. */
  #isBounded({ series: [first = ''] }: MetricPart): boolean {
    return first.includes('policy="')
  }

  readonly #inSeries = (series: string) =>
    series.replace(LABEL, (label: string, name: string, value: string) => {
      const bound = this.#bounds.get(name)
      return bound === undefined ? label : `${name}="${bound.of(value)}"`
    })
}
