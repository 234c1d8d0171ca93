import { readFileSync, writeFileSync } from 'node:fs'
import type { TargetResult } from '../report/judge.ts'
import { described, thisMachine } from '../report/machine.ts'
import { COMMON_COLUMNS, type Column, targetTable, toMarkdown, toText } from '../report/tables.ts'
import type { DeploymentMeasurement } from './measure-deployment.ts'
import { type ClusterRound, medians } from './run.ts'
import { type BenchInputs, scalingTable } from './scaling.ts'
import { judgeCluster } from './targets.ts'

const ROOT = new URL('../../../', import.meta.url)
const RESULTS = new URL('bench/results/cluster.json', ROOT)
const BENCH_RESULTS = new URL('bench/results/latest.json', ROOT)
const PAGE = new URL('docs/scaling.md', ROOT)
const DIGITS = 4

const BEGIN = '<!-- measured: written by npm run bench:cluster -->'
const END = '<!-- end of measured -->'

const COLUMNS: readonly Column<DeploymentMeasurement>[] = [
  ...COMMON_COLUMNS,
  { title: 'hottest server', cell: row => `${row.hottestServer.toFixed(2)} ×` },
]

/** What a run of `npm run bench:cluster` is remembered by. */
export interface ClusterReport {
  readonly date: string
  readonly machine: string
  readonly targets: readonly TargetResult[]
  /** The medians of the rounds. */
  readonly rows: ClusterRound
}

export function clusterReport(rounds: readonly ClusterRound[]): ClusterReport {
  return {
    date: new Date().toISOString(),
    machine: described(thisMachine()),
    targets: judgeCluster(rounds),
    rows: medians(rounds),
  }
}

/** For a terminal. */
export function render(report: ClusterReport): string {
  return [measuredTable(report), targetTable(report)].map(toText).join('\n\n')
}

/** Keeps the run: as JSON, and on the page on scaling. */
export function keep(report: ClusterReport): void {
  const short = (_: string, value: unknown) => (typeof value === 'number' ? Number(value.toFixed(DIGITS)) : value)
  writeFileSync(RESULTS, `${JSON.stringify(report, short, 2)}\n`)
  renderPage()
}

/** Rewrites the tables of the page on scaling from the kept results of both benchmarks. */
export function renderPage(): void {
  const page = readFileSync(PAGE, 'utf8')
  const [before = '', after = ''] = [page.split(BEGIN)[0], page.split(END)[1]]
  writeFileSync(PAGE, `${before}${BEGIN}\n\n${measuredSection()}\n\n${END}${after}`)
}

function measuredSection(): string {
  const report = JSON.parse(readFileSync(RESULTS, 'utf8')) as ClusterReport
  const bench = JSON.parse(readFileSync(BENCH_RESULTS, 'utf8')) as BenchInputs
  const run = `${report.machine}; ${report.date.slice(0, 10)}; \`npm run bench:cluster\``
  const tables = [measuredTable(report), targetTable(report), scalingTable(bench, report.rows)]
  return [run, ...tables.map(toMarkdown)].join('\n\n')
}

function measuredTable({ rows }: ClusterReport): readonly (readonly string[])[] {
  const head = ['row', ...COLUMNS.map(({ title }) => title)]
  const body = Object.entries(rows).flatMap(([name, deployments]) =>
    Object.entries(deployments).map(([deployment, measured]) => [
      `${name}, ${deployment}`,
      ...COLUMNS.map(({ cell }) => cell(measured)),
    ]),
  )
  return [head, ...body]
}
