import { expect, it } from '@jest/globals'
import fc from 'fast-check'
import { boundOf, parseMetrics, sumOf, sumsBy } from '../../../console/api/prometheus.ts'
import { linkTo, placeOf } from '../../../console/router.ts'

it('a link leads to its place, whatever the key', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), key => {
      expect(placeOf(linkTo('key', { key }))).toEqual({ view: 'key', params: { key } })
    }),
  )
})

it('an address that names no view is the overview', () => {
  for (const fragment of ['', '#', '#/', '#/nothing', '#overview']) {
    expect(placeOf(fragment)).toEqual({ view: 'overview', params: {} })
  }
  expect(linkTo('policies', { prefix: '' })).toBe('#/policies')
})

const METRICS = `# HELP a_total text
# TYPE a_total counter
a_total{state="x",other="1"} 2
a_total{state="y",other="a\\"b,c=d"} 3
a_total{state="x",other="2"} 4
h_bucket{le="0.1"} 0
h_bucket{le="+Inf"} 100
h_bucket{le="0.5"} 99
h_sum 12.5
plain 7
`

it('metrics are read from their text', () => {
  const samples = parseMetrics(METRICS)
  expect(samples[1]).toEqual({ name: 'a_total', labels: { state: 'y', other: 'a\\"b,c=d' }, value: 3 })
  expect([sumOf(samples, 'a_total'), sumOf(samples, 'plain'), sumOf(samples, 'absent')]).toEqual([9, 7, undefined])
  expect([...sumsBy(samples, 'a_total', 'state')]).toEqual([
    ['x', 6],
    ['y', 3],
  ])
  expect([boundOf(samples, 'h', 0.99), boundOf(samples, 'h', 1)]).toEqual([0.5, Number.POSITIVE_INFINITY])
  expect(boundOf(samples, 'absent', 0.99)).toBeUndefined()
})
