import { printable } from './printable.ts'

const GAP = '  '

/** Lines of a name and its value, with aligned values. Values that are `undefined` are left out. */
export function fieldLines(fields: Readonly<Record<string, unknown>>): string {
  const given = Object.entries(fields).filter(([, value]) => value !== undefined)
  return aligned(given.map(([name, value]) => [name, cell(value)]))
}

/** A table with a column for each member that a row has, in the order in which they occur. */
export function tableOf(rows: readonly object[]): string {
  const names = [...new Set(rows.flatMap(Object.keys))]
  const cells = rows.map(row => names.map(name => cell((row as Record<string, unknown>)[name])))
  return aligned([names, ...cells])
}

/** One line for each row; every column but the last is as wide as its longest cell. */
function aligned(rows: readonly (readonly string[])[]): string {
  const columns = Math.max(0, ...rows.map(row => row.length))
  const widths = Array.from({ length: columns }, (_, i) => Math.max(...rows.map(row => lengthOf(row[i] ?? ''))))
  return rows
    .map(
      row =>
        `${row
          .map((text, i) => pad(text, widths[i] ?? 0))
          .join(GAP)
          .trimEnd()}\n`,
    )
    .join('')
}

function cell(value: unknown): string {
  if (value === undefined) return ''
  return printable(typeof value === 'object' ? JSON.stringify(value) : String(value))
}

function pad(text: string, width: number): string {
  return text + ' '.repeat(width - lengthOf(text))
}

/** In characters, not UTF-16 units. */
function lengthOf(text: string): number {
  return Array.from(text).length
}
