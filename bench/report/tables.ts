import type { Measurement } from '../measure.ts'
import type { Report } from './report.ts'

type Cells = readonly string[]

export interface Column<Row> {
  readonly title: string
  readonly cell: (row: Row) => string
}

type CommonFigures = Pick<
  Measurement,
  'decisionsPerSecond' | 'p50Ms' | 'p99Ms' | 'frontMicros' | 'redisMicros' | 'scriptCallsPerDecision'
>

/** What every benchmark of checks tells of a row. */
export const COMMON_COLUMNS: readonly Column<CommonFigures>[] = [
  { title: 'decisions/s', cell: row => Math.round(row.decisionsPerSecond).toLocaleString('en') },
  { title: 'p50 ms', cell: row => row.p50Ms.toFixed(2) },
  { title: 'p99 ms', cell: row => row.p99Ms.toFixed(2) },
  { title: 'front µs', cell: row => row.frontMicros.toFixed(2) },
  { title: 'Redis µs', cell: row => row.redisMicros.toFixed(2) },
  { title: 'script calls', cell: row => row.scriptCallsPerDecision.toFixed(4) },
]

const COLUMNS: readonly Column<Measurement>[] = [
  ...COMMON_COLUMNS,
  { title: 'commands', cell: row => row.commandsPerDecision.toFixed(2) },
  { title: 'RSS MB', cell: row => row.residentMegabytes.toFixed(0) },
]

export function rowTable({ rows }: Report): readonly Cells[] {
  const head = ['row', ...COLUMNS.map(({ title }) => title)]
  return [head, ...Object.entries(rows).map(([name, row]) => [name, ...COLUMNS.map(({ cell }) => cell(row.median))])]
}

export function targetTable({ targets }: Pick<Report, 'targets'>): readonly Cells[] {
  const rows = targets.map(({ name, value, unit, target, isMet }) => [
    name,
    `${value.toFixed(2)} ${unit}`,
    `${target} ${unit}`,
    isMet ? 'met' : 'MISSED',
  ])
  return [['target', 'measured', 'wanted', ''], ...rows]
}

/** For a terminal. */
export function toText(table: readonly Cells[]): string {
  return aligned(table)
    .map(cells => cells.join('  '))
    .join('\n')
}

/** As the formatter wants it. */
export function toMarkdown(table: readonly Cells[]): string {
  const [head = [], ...rows] = aligned(table)
  const rule = head.map(({ length }, i) => (i === 0 ? '-'.repeat(length) : `${'-'.repeat(length - 1)}:`))
  return [head, rule, ...rows].map(cells => `| ${cells.join(' | ')} |`).join('\n')
}

/** Names to the left, values to the right. */
function aligned(table: readonly Cells[]): readonly Cells[] {
  const widths = (table[0] ?? []).map((_, i) => Math.max(...table.map(cells => cells[i]?.length ?? 0)))
  const pad = (cell: string, i: number) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))
  return table.map(cells => cells.map(pad))
}
