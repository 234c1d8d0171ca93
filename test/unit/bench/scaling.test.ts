import { readFileSync } from 'node:fs'
import { describe, expect, it } from '@jest/globals'
import type { ClusterReport } from '../../../bench/cluster/report.ts'
import { type BenchInputs, scalingTable } from '../../../bench/cluster/scaling.ts'
import { toMarkdown } from '../../../bench/report/tables.ts'

const read = (path: string) => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8')
const bench = JSON.parse(read('bench/results/latest.json')) as BenchInputs
const { rows } = JSON.parse(read('bench/results/cluster.json')) as ClusterReport

describe('the page on scaling', () => {
  it('contains the table that the stored benchmark results give', () => {
    expect(read('docs/scaling.md')).toContain(toMarkdown(scalingTable(bench, rows)))
  })

  it('states ten times the processors for ten times the load, except for rounding up', () => {
    const cores = new Map(scalingTable(bench, rows).map(([load = '', front]) => [load, Number(front)]))
    const [less = 0, more = 0] = [cores.get('100,000 *'), cores.get('1,000,000 *')]
    expect(more).toBeLessThanOrEqual(10 * less)
    expect(more).toBeGreaterThan(10 * (less - 1))
  })

  it('goes up to a million checks a second, and marks loads beyond those measured', () => {
    const [, ...loads] = scalingTable(bench, rows)
    expect(loads.at(-1)?.[0]).toBe('1,000,000 *')
    expect(loads[0]?.[0]).toBe('1,000')
  })
})
