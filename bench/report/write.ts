import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { costSection } from './costs.ts'
import { described } from './machine.ts'
import type { Report } from './report.ts'
import { rowTable, targetTable, toMarkdown, toText } from './tables.ts'

const ROOT = new URL('../../../', import.meta.url)
const RESULTS = new URL('bench/results/', ROOT)
const PAGE = new URL('docs/benchmarks.md', ROOT)
const README = new URL('README.md', ROOT)
const DIGITS = 4

/** For a terminal. */
export function render(report: Report): string {
  const parts = [
    toText(rowTable(report)),
    toText(targetTable(report)),
    memoryLine(report),
    holdMemoryLine(report),
    report.remarks,
  ]
  return parts.filter(part => part !== '').join('\n\n')
}

/** Keeps the run: as JSON, as the tables of the page on benchmarks, and as what the README says of costs. */
export function keep(report: Report): void {
  mkdirSync(RESULTS, { recursive: true })
  const short = (_: string, value: unknown) => (typeof value === 'number' ? Number(value.toFixed(DIGITS)) : value)
  const json = JSON.stringify(report, short, 2)
  writeFileSync(new URL('latest.json', RESULTS), `${json}\n`)
  const kept = JSON.parse(json) as Report
  replaceSection('npm run bench', section(kept))
  replaceBetween(README, '<!-- costs: written by npm run bench -->', '<!-- end of costs -->', costSection(kept))
}

/** Writes what a command measured where the page on benchmarks has a place for it. */
export function replaceSection(command: string, text: string): void {
  replaceBetween(PAGE, `<!-- latest: written by ${command} -->`, `<!-- end of ${command} -->`, text)
}

function replaceBetween(file: URL, begin: string, end: string, text: string): void {
  const page = readFileSync(file, 'utf8')
  const [before, after] = [page.split(begin)[0], page.split(end)[1]]
  writeFileSync(file, `${before}${begin}\n\n${text}\n\n${end}${after}`)
}

function section(report: Report): string {
  const machine = `${described(report.machine)}; ${report.date.slice(0, 10)}; \`${report.command}\``
  const tables = [toMarkdown(targetTable(report)), toMarkdown(rowTable(report))]
  return [machine, ...tables, memoryLine(report), holdMemoryLine(report), report.remarks]
    .filter(part => part !== '')
    .join('\n\n')
}

function memoryLine({ memory }: Report): string {
  if (memory === undefined) return ''
  const { buckets, bytesPerBucket, memoryUsage } = memory
  return `${buckets.toLocaleString('en')} buckets: ${bytesPerBucket.toFixed(0)} bytes each of used_memory, ${memoryUsage.toFixed(0)} by MEMORY USAGE`
}

function holdMemoryLine({ holdMemory }: Report): string {
  if (holdMemory === undefined) return ''
  const { holdsPerBucket, bytesPerBucket, bytesPerRecord } = holdMemory
  return `A bucket with ${holdsPerBucket} reservations takes ${bytesPerBucket.toFixed(0)} bytes of used_memory, and the record of each reservation ${bytesPerRecord.toFixed(0)}`
}
