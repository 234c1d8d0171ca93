/** What insight costs, how exact and how fast it is: `npm run bench:insight`. docs/benchmarks.md says what is measured. */
import { parseArgs } from 'node:util'
import { requireRedis, stopSignal } from '../lifecycle.ts'
import { measureCheckCosts } from './check-costs.ts'
import { measureConsoleStart } from './console-start.ts'
import { measureCountMemory } from './count-memory.ts'
import { figureTable } from './figures.ts'
import { measureSimulation } from './simulation-speed.ts'
import { measureTally } from './tally-figures.ts'
import { measureTopAccuracy } from './top-accuracy.ts'

const { quick } = parseArgs({ options: { quick: { type: 'boolean', default: false } } }).values
requireRedis()

const say = (line: string) => console.error(line)
const costs = await measureCheckCosts({ pairs: quick ? 1 : 15, seconds: quick ? 1 : 2, stop: stopSignal(), say })
console.log('| checks | CPU of a check without, µs | with, µs | with ÷ without |')
console.log('| ------ | -------------------------: | -------: | -------------: |')
for (const { name, without, withInsight, ratio } of costs) {
  console.log(`| ${name} | ${without.toFixed(1)} | ${withInsight.toFixed(1)} | ${ratio.toFixed(3)} |`)
}

const tallies = [10_000, 1_000_000].map(keys => ({ keys, ...measureTally(keys) }))
console.log('\n| keys in a minute | CPU of counting a check, ns | memory of a process, MB |')
console.log('| ---------------: | -------------------------: | ----------------------: |')
for (const { keys, nanoseconds, megabytes } of tallies) {
  console.log(`| ${keys.toLocaleString('en')} | ${nanoseconds.toFixed(0)} | ${megabytes.toFixed(1)} |`)
}

say('filling a Redis with counts and denials')
const { countMegabytes, bytesPerDenial } = await measureCountMemory()
say('counting a million checks of three processes, twice')
const { errorShare, exactCounts } = await measureTopAccuracy()
say('simulating recorded checks')
const linesPerSecond = await measureSimulation(quick ? 100_000 : 5_000_000)
say('opening the console')
const consoleMs = await measureConsoleStart()

const [single] = costs
const figures = [
  {
    name: 'cost of a single check',
    value: single && (single.ratio - 1) * 100,
    unit: '%',
    digits: 1,
    reach: { atMost: 3 },
  },
  {
    name: 'memory of a process, a million keys a minute',
    value: tallies.at(-1)?.megabytes,
    unit: 'MB',
    digits: 1,
    reach: { atMost: 50 },
  },
  { name: 'counts in Redis, keys of 20 bytes', value: countMegabytes, unit: 'MB', digits: 1, reach: { atMost: 64 } },
  { name: 'a sampled denial in Redis', value: bytesPerDenial, unit: 'bytes', digits: 0, reach: { atMost: 300 } },
  { name: 'maxError of /top, a million keys', value: errorShare * 100, unit: '%', digits: 2, reach: { atMost: 0.5 } },
  { name: 'exact among the first 20 (Zipf 1.1)', value: exactCounts, unit: '', digits: 0, reach: { atLeast: 20 } },
  { name: 'lines a second of simulate', value: linesPerSecond, unit: '', digits: 0, reach: { atLeast: 500_000 } },
  { name: 'the console can be used after', value: consoleMs, unit: 'ms', digits: 0, reach: { atMost: 1_000 } },
]
console.log(`\n${figureTable(figures)}`)
