/** A sample of the text that `GET /metrics` returns. */
export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g

/** @see https://prometheus.io/docs/instrumenting/exposition_formats/ */
export function parseMetrics(text: string): readonly Sample[] {
  return text.split('\n').flatMap(line => {
    const [, name, labels = '', value = ''] = LINE.exec(line) ?? []
    return name === undefined ? [] : [{ name, labels: labelsOf(labels), value: numberOf(value) }]
  })
}

function labelsOf(text: string): Record<string, string> {
  return Object.fromEntries(Array.from(text.matchAll(LABEL), ([, name, value]) => [name, value]))
}

function numberOf(value: string): number {
  return value === '+Inf' ? Number.POSITIVE_INFINITY : Number(value)
}

/** The sum of the samples with this name; undefined if there are none. */
export function sumOf(samples: readonly Sample[], name: string): number | undefined {
  const values = samples.filter(sample => sample.name === name).map(({ value }) => value)
  return values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0)
}

/** The sums by one label, in the order in which its values appear. */
export function sumsBy(samples: readonly Sample[], name: string, label: string): ReadonlyMap<string, number> {
  const sums = new Map<string, number>()
  for (const sample of samples) {
    const value = sample.labels[label]
    if (sample.name === name && value !== undefined) sums.set(value, (sums.get(value) ?? 0) + sample.value)
  }
  return sums
}

/** The smallest upper bound of a histogram below which this share of its observations is; undefined if there are none. */
export function boundOf(samples: readonly Sample[], name: string, share: number): number | undefined {
  const counts = [...sumsBy(samples, `${name}_bucket`, 'le')]
    .map(([bound, count]) => ({ bound: numberOf(bound), count }))
    .sort((a, b) => a.bound - b.bound)
  const total = counts.at(-1)?.count ?? 0
  return total === 0 ? undefined : counts.find(({ count }) => count >= total * share)?.bound
}
