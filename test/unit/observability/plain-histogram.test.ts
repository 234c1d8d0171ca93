import { describe, expect, it } from '@jest/globals'
import { AggregatorRegistry, Histogram, Registry } from 'prom-client'
import { PlainHistogram } from '../../../src/observability/plain-histogram.ts'

const OPTIONS = { name: 'a_seconds', help: 'What it is', buckets: [0.001, 0.01, 0.1] }
const VALUES = [0, 0.0005, 0.001, 0.0011, 0.05, 0.1, 0.1001, 7]

function both(values: readonly number[]): [plain: Registry, library: Registry] {
  const plain = new Registry()
  const library = new Registry()
  const histograms = [
    new PlainHistogram({ ...OPTIONS, registry: plain }),
    new Histogram({ ...OPTIONS, registers: [library] }),
  ]
  for (const histogram of histograms) for (const value of values) histogram.observe(value)
  return [plain, library]
}

describe('a plain histogram', () => {
  it.each([[[]], [VALUES]])('has the same text as a histogram of prom-client: %j', async values => {
    const [plain, library] = both(values)
    expect(await plain.metrics()).toBe(await library.metrics())
  })

  it('is aggregated over processes like a histogram of prom-client', async () => {
    const [plain, library] = both(VALUES)
    const sum = async (registry: Registry) => {
      const snapshot = await registry.getMetricsAsJSON()
      return AggregatorRegistry.aggregate([snapshot, snapshot]).metrics()
    }
    expect(await sum(plain)).toBe(await sum(library))
  })
})
