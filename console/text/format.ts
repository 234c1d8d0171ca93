const UNITS: readonly (readonly [name: string, ms: number])[] = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1000],
]

/** A number with separators: 12,345. */
export function formatCount(count: number): string {
  return count.toLocaleString('en')
}

/** A rate with three digits at most: 0.25, 12.5, 1,841. */
export function formatRate(perSecond: number): string {
  return perSecond.toLocaleString('en', { maximumFractionDigits: perSecond < 10 ? 2 : perSecond < 100 ? 1 : 0 })
}

/** A span of time in its largest two units, rounded up: `90 s` is `1 min 30 s`. */
export function formatDuration(ms: number): string {
  if (ms < 1000) return `${Math.ceil(ms)} ms`
  if (ms < 10_000) return `${(Math.ceil(ms / 100) / 10).toLocaleString('en')} s`
  const rounded = Math.ceil(ms / 1000) * 1000
  const index = UNITS.findIndex(([, unit]) => rounded >= unit)
  const [name = 's', unit = 1000] = UNITS[index] ?? []
  const whole = `${formatCount(Math.floor(rounded / unit))} ${name}`
  const [nextName, nextUnit] = UNITS[index + 1] ?? []
  const rest = nextUnit === undefined ? 0 : Math.floor((rounded % unit) / nextUnit)
  return rest === 0 ? whole : `${whole} ${rest} ${nextName}`
}

/** A span of time with all its units: 90,001 ms is `1 min 30.001 s`. */
export function formatExactDuration(ms: number): string {
  if (ms < 1000) return `${ms} ms`
  const parts = UNITS.map(([name, unit], index) => {
    const rest = index === 0 ? ms : ms % (UNITS[index - 1]?.[1] ?? 1)
    return [name === 's' ? rest / unit : Math.floor(rest / unit), name] as const
  })
  return parts
    .filter(([count]) => count > 0)
    .map(([count, name]) => `${formatCount(count)} ${name}`)
    .join(' ')
}

/** A date and time in the operator's zone: 2026-01-31 14:03:12. */
export function formatTime(time: string | number): string {
  const date = new Date(time)
  const two = (part: number) => String(part).padStart(2, '0')
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`
}

/** The same with the fraction of its second, if it has one: 2026-01-31 14:03:12.250. */
export function formatExactTime(time: string | number): string {
  const ms = new Date(time).getMilliseconds()
  return ms === 0 ? formatTime(time) : `${formatTime(time)}.${String(ms).padStart(3, '0')}`
}

/** What `<input type="datetime-local">` shows for a time, to the minute. */
export function toLocalInput(time: string | undefined): string {
  return time === undefined ? '' : formatTime(time).slice(0, 16).replace(' ', 'T')
}

/** The RFC 3339 time of such an input; undefined if it is empty or not a time. */
export function fromLocalInput(value: string): string | undefined {
  const ms = new Date(value).getTime()
  return Number.isNaN(ms) ? undefined : new Date(ms).toISOString()
}
