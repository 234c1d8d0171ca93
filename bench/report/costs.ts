/** What the README says that a check costs: the figures of a run that a newcomer asks for first. */
import type { Measurement } from '../measure.ts'
import { described } from './machine.ts'
import type { Report } from './report.ts'
import { toMarkdown } from './tables.ts'

const TITLE = 'one front process'
const NOT_MEASURED = '–'

/** The columns, each with the rows of the benchmark that it shows: under as much load as goes, and at a steady rate. */
const COLUMNS: readonly { readonly title: string; readonly fullLoad: string; readonly steadyRate?: string }[] = [
  { title: 'Throttler', fullLoad: 'ours-single', steadyRate: 'ours-open-loop' },
  { title: 'in batches of 100', fullLoad: 'ours-batch100' },
  { title: 'HTTP alone', fullLoad: 'floor', steadyRate: 'floor-open-loop' },
  { title: 'rate-limiter-flexible', fullLoad: 'rate-limiter-flexible' },
  { title: '@fastify/rate-limit', fullLoad: 'fastify-rate-limit' },
]

/** What was measured on, the table, and what a bucket takes: all that follows from a run. */
export function costSection(report: Report): string {
  const machine = `${described(report.machine)}; ${report.date.slice(0, 10)}; \`${report.command}\``
  return [machine, toMarkdown(costTable(report)), bucketLine(report)].filter(part => part !== '').join('\n\n')
}

function costTable({ rows }: Report): readonly (readonly string[])[] {
  const cells = (title: string, load: 'fullLoad' | 'steadyRate', cell: (row: Measurement) => string) => [
    title,
    ...COLUMNS.map(column => {
      const row = rows[column[load] ?? '']
      return row === undefined ? NOT_MEASURED : cell(row.median)
    }),
  ]
  return [
    [TITLE, ...COLUMNS.map(({ title }) => title)],
    cells('at full load: checks a second', 'fullLoad', row => Math.round(row.decisionsPerSecond).toLocaleString('en')),
    cells('at full load: CPU µs a check, front + Redis', 'fullLoad', cpu),
    cells('at full load: resident MB', 'fullLoad', row => row.residentMegabytes.toFixed(0)),
    cells(
      'at 10,000 checks a second: p50, p99 ms',
      'steadyRate',
      row => `${row.p50Ms.toFixed(2)}, ${row.p99Ms.toFixed(2)}`,
    ),
    cells('at 10,000 checks a second: CPU µs a check, front + Redis', 'steadyRate', cpu),
  ]
}

function cpu({ frontMicros, redisMicros }: Measurement): string {
  return `${frontMicros.toFixed(1)} + ${redisMicros.toFixed(1)}`
}

function bucketLine({ memory }: Report): string {
  return memory === undefined
    ? ''
    : `A bucket that is not full takes ${memory.bytesPerBucket.toFixed(0)} bytes of Redis.`
}
