import { readFileSync } from 'node:fs'
import { expect, it } from '@jest/globals'
import { costSection } from '../../../bench/report/costs.ts'
import type { Report } from '../../../bench/report/report.ts'

const read = (path: string) => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8')

it('the README states the cost of a check exactly as the stored benchmark results give it', () => {
  const [, written] =
    /<!-- costs: written by npm run bench -->\n\n([\s\S]*?)\n\n<!-- end of costs -->/.exec(read('README.md')) ?? []
  expect(written).toBe(costSection(JSON.parse(read('bench/results/latest.json')) as Report))
})
