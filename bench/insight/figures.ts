import { judge, type Target, type TargetResult } from '../report/judge.ts'
import type { CheckCost } from './check-costs.ts'
import type { CountMemory } from './count-memory.ts'
import type { TallyFigures } from './tally-figures.ts'
import type { TopAccuracy } from './top-accuracy.ts'

/** All that a run has measured. */
export interface Figures extends CountMemory, TopAccuracy {
  readonly costs: readonly CheckCost[]
  readonly tallies: readonly (TallyFigures & { readonly keys: number })[]
  /** Of `simulate`. */
  readonly linesPerSecond: number
  /** `undefined` without a browser. */
  readonly consoleMs: number | undefined
}

type Table = readonly (readonly string[])[]

/** Each figure, against what it is to reach. One that this machine cannot measure is left out. */
export function judgeFigures(figures: Figures): readonly TargetResult[] {
  return TARGETS.flatMap(target => judge(target, target.of(figures) ?? Number.NaN))
}

const TARGETS: readonly (Target & { of(figures: Figures): number | undefined })[] = [
  {
    name: 'CPU of a single check that pays for insight',
    unit: '%',
    atMost: 3,
    of: ({ costs: [single] }) => single && (single.ratio - 1) * 100,
  },
  {
    name: 'memory of a process, a million keys a minute',
    unit: 'MB',
    atMost: 50,
    of: ({ tallies }) => tallies.at(-1)?.megabytes,
  },
  { name: 'counts in Redis, keys of 20 bytes', unit: 'MB', atMost: 64, of: ({ countMegabytes }) => countMegabytes },
  { name: 'a sampled denial in Redis', unit: 'bytes', atMost: 300, of: ({ bytesPerDenial }) => bytesPerDenial },
  {
    name: 'maxError of /top, a million keys',
    unit: '% of the checks',
    atMost: 0.5,
    of: ({ errorShare }) => errorShare * 100,
  },
  {
    name: 'exact among the first 20 of /top (Zipf 1.1)',
    unit: 'keys',
    atLeast: 20,
    of: ({ exactCounts }) => exactCounts,
  },
  {
    name: 'throttler simulate',
    unit: 'thousand lines a second',
    atLeast: 500,
    of: ({ linesPerSecond }) => linesPerSecond / 1_000,
  },
  { name: 'the console can be used after', unit: 'ms', atMost: 1_000, of: ({ consoleMs }) => consoleMs },
]

export function costTable({ costs }: Figures): Table {
  const rows = costs.map(({ name, without, withInsight, ratio, ratios }) => [
    name,
    without.toFixed(1),
    withInsight.toFixed(1),
    ratio.toFixed(3),
    ratios.map(ofRound => ofRound.toFixed(3)).join('–'),
  ])
  return [['checks', 'front µs without', 'front µs with', 'with ÷ without', 'of a round'], ...rows]
}

export function tallyTable({ tallies }: Figures): Table {
  const rows = tallies.map(({ keys, nanoseconds, megabytes }) => [
    keys.toLocaleString('en'),
    nanoseconds.toFixed(0),
    megabytes.toFixed(1),
  ])
  return [['keys in a minute', 'ns of counting a check', 'MB of a process'], ...rows]
}
