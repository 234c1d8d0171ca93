import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { described } from './machine.ts'
import type { Report } from './report.ts'
import { rowTable, targetTable, toMarkdown, toText } from './tables.ts'

const ROOT = new URL('../../../', import.meta.url)
const RESULTS = new URL('bench/results/', ROOT)
const PAGE = new URL('docs/benchmarks.md', ROOT)
const DIGITS = 4

/** For a terminal. */
export function render(report: Report): string {
  const parts = [toText(rowTable(report)), toText(targetTable(report)), memoryLine(report), report.remarks]
  return parts.filter(part => part !== '').join('\n\n')
}

/** Keeps the run: as JSON, and as the tables of the page on benchmarks. */
export function keep(report: Report): void {
  mkdirSync(RESULTS, { recursive: true })
  const short = (_: string, value: unknown) => (typeof value === 'number' ? Number(value.toFixed(DIGITS)) : value)
  writeFileSync(new URL('latest.json', RESULTS), `${JSON.stringify(report, short, 2)}\n`)
  replaceSection('npm run bench', section(report))
}

/** Writes what a command measured where the page on benchmarks has a place for it. */
export function replaceSection(command: string, text: string): void {
  const [begin, end] = [`<!-- latest: written by ${command} -->`, `<!-- end of ${command} -->`]
  const page = readFileSync(PAGE, 'utf8')
  const [before, after] = [page.split(begin)[0], page.split(end)[1]]
  writeFileSync(PAGE, `${before}${begin}\n\n${text}\n\n${end}${after}`)
}

function section(report: Report): string {
  const machine = `${described(report.machine)}; ${report.date.slice(0, 10)}; \`${report.command}\``
  const tables = [toMarkdown(targetTable(report)), toMarkdown(rowTable(report))]
  return [machine, ...tables, memoryLine(report), report.remarks].filter(part => part !== '').join('\n\n')
}

function memoryLine({ memory }: Report): string {
  if (memory === undefined) return ''
  const { buckets, bytesPerBucket, memoryUsage } = memory
  return `${buckets.toLocaleString('en')} buckets: ${bytesPerBucket.toFixed(0)} bytes each of used_memory, ${memoryUsage.toFixed(0)} by MEMORY USAGE`
}
