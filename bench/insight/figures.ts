/** A figure, and what it is to reach. */
export interface Figure {
  readonly name: string
  /** `undefined` if this machine cannot measure it. */
  readonly value: number | undefined
  readonly unit: string
  readonly digits: number
  readonly reach: { readonly atMost: number } | { readonly atLeast: number }
}

/** The figures as a table, each with what it is to reach and whether it does. */
export function figureTable(figures: readonly Figure[]): string {
  const rows = figures.map(figure => `| ${cellsOf(figure).join(' | ')} |`)
  return ['| figure | measured | reach | reached |', '| ------ | -------: | ----: | ------- |', ...rows].join('\n')
}

function cellsOf({ name, value, unit, digits, reach }: Figure): readonly string[] {
  const shown = (number: number) => `${number.toLocaleString('en', { maximumFractionDigits: digits })} ${unit}`.trim()
  const isUpper = 'atMost' in reach
  const bound = isUpper ? reach.atMost : reach.atLeast
  const reachText = `${isUpper ? '≤' : '≥'} ${shown(bound)}`
  if (value === undefined) return [name, 'not measured', reachText, '–']
  return [name, shown(value), reachText, (isUpper ? value <= bound : value >= bound) ? 'yes' : 'no']
}
