import { useEffect, useRef, useState } from 'preact/hooks'
import { OUTCOMES, type Stats } from '../api/types.ts'
import { formatCount, formatRate, formatTime } from '../text/format.ts'
import type { Plot, PlotOptions } from './plot.ts'

const DARK = '(prefers-color-scheme: dark)'

/** Checks per second by outcome over time, as lines; for those who cannot see them, as a table. */
export function OutcomeChart({ stats }: { stats: Stats }) {
  const place = useRef<HTMLDivElement>(null)
  const plot = useRef<Plot>(undefined)
  const [isOpen, setOpen] = useState(false)
  const isDark = useDarkMode()
  const data = plotData(stats)
  const latest = useRef(data)
  latest.current = data

  useEffect(() => {
    let isGone = false
    // The library is large. Everything else of the page can be used before it has been read.
    void import('./plot.ts').then(({ Plot }) => {
      const box = place.current
      if (!isGone && box !== null) plot.current = new Plot(box, optionsFor(box), latest.current)
    })
    return () => {
      isGone = true
      plot.current?.remove()
      plot.current = undefined
    }
  }, [isDark])
  useEffect(() => plot.current?.show(data), [stats])

  return (
    <figure class="chart">
      <div ref={place} class="plot" role="img" aria-label={summaryOf(stats)} />
      <ul class="legend" aria-hidden="true">
        {OUTCOMES.map(outcome => (
          <li key={outcome} class={outcome}>
            {outcome}
          </li>
        ))}
      </ul>
      <details onToggle={event => setOpen(event.currentTarget.open)}>
        <summary>The figures as a table</summary>
        {isOpen && <StatsTable stats={stats} />}
      </details>
    </figure>
  )
}

function StatsTable({ stats }: { stats: Stats }) {
  const [times, ...series] = plotData(stats)
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">From</th>
          {OUTCOMES.map(outcome => (
            <th key={outcome} scope="col" class="number">
              {outcome}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {Array.from(times, (time, step) => (
          <tr key={time}>
            <td>{formatTime(time * 1000)}</td>
            {OUTCOMES.map((outcome, index) => (
              <td key={outcome} class="number">
                {formatRate(series[index]?.[step] ?? 0)}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  )
}

/** Times in seconds, then checks per second of each outcome. */
function plotData({ from, stepSeconds, series }: Stats): [number[], ...number[][]] {
  const start = Date.parse(from) / 1000
  const times = series.allowed.map((_, step) => start + step * stepSeconds)
  return [times, ...OUTCOMES.map(outcome => series[outcome].map(count => count / stepSeconds))]
}

function summaryOf({ from, to, series }: Stats): string {
  const totals = OUTCOMES.map(
    outcome => `${formatCount(series[outcome].reduce((sum, count) => sum + count, 0))} ${outcome}`,
  )
  return `Checks from ${formatTime(from)} to ${formatTime(to)}: ${totals.join(', ')}`
}

function optionsFor(box: HTMLElement): PlotOptions {
  const style = getComputedStyle(box)
  const color = (name: string) => style.getPropertyValue(`--${name}`)
  const axis = {
    stroke: color('quiet'),
    font: `12px ${style.fontFamily}`,
    grid: { stroke: color('line'), width: 1 },
    ticks: { show: false },
  }
  return {
    legend: { show: false },
    cursor: { drag: { x: false, y: false }, y: false },
    scales: { y: { range: (_plot, _min, max) => [0, Math.max(1, max * 1.1)] } },
    axes: [
      { ...axis, values: (_plot, times) => times.map(clockOf) },
      { ...axis, size: 56, values: (_plot, rates) => rates.map(formatRate) },
    ],
    series: [
      {},
      ...OUTCOMES.map(outcome => ({
        label: outcome,
        stroke: color(outcome),
        width: 2,
        points: { show: false },
        ...(outcome === 'denied' && { dash: [6, 3] }),
        ...(outcome === 'shadowed' && { dash: [2, 3] }),
      })),
    ],
  }
}

/** Hours and minutes, and seconds if they are not 0. */
function clockOf(time: number): string {
  return formatTime(time * 1000)
    .slice(11)
    .replace(/:00$/, '')
}

function useDarkMode(): boolean {
  const [isDark, setDark] = useState(() => matchMedia(DARK).matches)
  useEffect(() => {
    const query = matchMedia(DARK)
    const follow = () => setDark(query.matches)
    query.addEventListener('change', follow)
    return () => query.removeEventListener('change', follow)
  }, [])
  return isDark
}
