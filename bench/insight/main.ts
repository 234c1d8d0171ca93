/** What insight costs a check, and how much memory it takes: `npm run bench:insight`. docs/benchmarks.md says what is measured. */
import { parseArgs } from 'node:util'
import { requireRedis, stopSignal } from '../lifecycle.ts'
import { measureCheckCosts } from './check-costs.ts'
import { measureCountMemory } from './count-memory.ts'
import { measureTally } from './tally-figures.ts'

const { quick } = parseArgs({ options: { quick: { type: 'boolean', default: false } } }).values
requireRedis()

const say = (line: string) => console.error(line)
const costs = await measureCheckCosts({ pairs: quick ? 1 : 15, seconds: quick ? 1 : 2, stop: stopSignal(), say })
console.log('| checks | CPU of a check without, µs | with, µs | with ÷ without |')
console.log('| ------ | -------------------------: | -------: | -------------: |')
for (const { name, without, withInsight, ratio } of costs) {
  console.log(`| ${name} | ${without.toFixed(1)} | ${withInsight.toFixed(1)} | ${ratio.toFixed(3)} |`)
}

console.log('\n| keys in a minute | CPU of counting a check, ns | memory of a process, MB |')
console.log('| ---------------: | -------------------------: | ----------------------: |')
for (const keys of [10_000, 1_000_000]) {
  const { nanoseconds, megabytes } = measureTally(keys)
  console.log(`| ${keys.toLocaleString('en')} | ${nanoseconds.toFixed(0)} | ${megabytes.toFixed(1)} |`)
}

say('filling a Redis with counts and denials')
const { countMegabytes, bytesPerDenial } = await measureCountMemory()
console.log(`\nas many counts of keys as are kept: ${countMegabytes.toFixed(1)} MB in Redis`)
console.log(`a sampled denial: ${bytesPerDenial.toFixed(0)} bytes in Redis`)
