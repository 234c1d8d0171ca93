import { expect, it } from '@jest/globals'
import { Registry } from 'prom-client'
import { SeriesCounter } from '../../../src/observability/series-counter.ts'

it('a counter of series has them in the order in which they were added', async () => {
  const registry = new Registry()
  const counter = new SeriesCounter({ name: 'counted_total', help: 'What counts', registry })
  const late = counter.addSeries({ policy: 'b:*', outcome: 'allowed' })
  counter.addSeries({ policy: 'a:*', outcome: 'denied' }).value += 2
  late.value++
  expect(await registry.metrics()).toBe(`\
# HELP counted_total What counts
# TYPE counted_total counter
counted_total{policy="b:*",outcome="allowed"} 1
counted_total{policy="a:*",outcome="denied"} 2
`)
})
