import type { MetricsSnapshot } from '../../src/processes/messages.ts'

/** A metric as a process serializes it. @param values by label */
export function metricOf(
  name: string,
  { type = 'counter', aggregator = 'sum', values }: { type?: string; aggregator?: string; values: readonly number[] },
): MetricsSnapshot[number] {
  const samples = values.map((value, i) => ({ labels: { series: String(i) }, value }))
  return { name, help: `about ${name}`, type, aggregator, values: samples } as unknown as MetricsSnapshot[number]
}
