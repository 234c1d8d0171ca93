/** What changes and a million policies cost: `npm run bench:config`. docs/benchmarks.md says what is measured and how. */
import { parseArgs } from 'node:util'
import { described, thisMachine } from '../report/machine.ts'
import { toMarkdown, toText } from '../report/tables.ts'
import { replaceSection } from '../report/write.ts'
import { measurePropagation, type Propagation } from './propagation.ts'
import { measureScale, type Scale } from './scale.ts'
import { measureThroughput, type Throughput } from './throughput.ts'

const PARTS = ['propagation', 'throughput', 'scale'] as const

const USAGE = `npm run bench:config -- [--only NAME,NAME…] [--quick]
  --quick  a few seconds of each, 100,000 policies
  --only   ${PARTS.join(', ')}
Only a run of everything, without --quick, rewrites docs/benchmarks.md.`

interface Results {
  readonly propagation?: Propagation
  readonly throughput?: Throughput
  readonly scale?: readonly Scale[]
}

const options = readOptions()
const isWanted = (part: (typeof PARTS)[number]) => options.only === undefined || options.only.includes(part)
const say = (line: string) => console.error(line)

const results: Results = {
  ...(isWanted('propagation') && { propagation: await measurePropagation(options.quick ? 5 : 30) }),
  ...(isWanted('throughput') && { throughput: await measureThroughput(options.quick ? 4_000 : 20_000) }),
  ...(isWanted('scale') && { scale: await measureScale(options.quick ? 100_000 : 1_000_000, 5, say) }),
}
const tables = tablesOf(results)
for (const table of tables) console.log(`${toText(table)}\n`)
if (options.only === undefined && !options.quick) {
  replaceSection('npm run bench:config', [machine(), ...tables.map(toMarkdown)].join('\n\n'))
}

function readOptions(): { readonly only: readonly string[] | undefined; readonly quick: boolean } {
  try {
    const known = { only: { type: 'string' }, quick: { type: 'boolean', default: false } } as const
    const { only, quick } = parseArgs({ options: known }).values
    const unknown = only?.split(',').filter(name => !(PARTS as readonly string[]).includes(name)) ?? []
    if (unknown.length > 0) throw new RangeError(`there is no ${unknown.join(', ')}`)
    return { only: only?.split(','), quick }
  } catch (err) {
    console.error(`${(err as Error).message}\n\n${USAGE}`)
    process.exit(1)
  }
}

function tablesOf({ propagation, throughput, scale }: Results): readonly (readonly (readonly string[])[])[] {
  return [
    ...(propagation ? [propagationTable(propagation)] : []),
    ...(throughput ? [throughputTable(throughput)] : []),
    ...(scale ? [scaleTable(scale)] : []),
  ]
}

function propagationTable({ changesPerSecond, changes, fronts, p50Ms, p99Ms, maxMs }: Propagation) {
  const what = `${changesPerSecond} changes/s, ${fronts} front processes`
  const ms = [p50Ms, p99Ms, maxMs].map(value => value.toFixed(1))
  return [
    ['from acceptance until every front obeys', 'changes', 'p50 ms', 'p99 ms', 'max ms'],
    [what, changes.toLocaleString('en'), ...ms],
  ]
}

function throughputTable({ commands, byWorkers }: Throughput) {
  const rows = byWorkers.map(({ workers, perSecond }) => [
    `${workers} × worker`,
    Math.round(perSecond).toLocaleString('en'),
  ])
  return [[`${commands.toLocaleString('en')} commands that wait`, 'applied/s'], ...rows]
}

function scaleTable(scale: readonly Scale[]) {
  const [none] = scale
  const rows = scale.map(row => [
    `${row.policies.toLocaleString('en')} policies, ${row.name}`,
    row.secondsToReady.toFixed(1),
    row.longestBlockMs.toFixed(0),
    row.residentMegabytes.toFixed(0),
    none && row !== none ? (((row.residentMegabytes - none.residentMegabytes) * 1e6) / row.policies).toFixed(0) : '',
    row.frontMicros.toFixed(1),
    row.redisMegabytes.toFixed(0),
  ])
  const head = ['front process', 's to ready', 'longest block ms', 'RSS MB', 'bytes a policy', 'µs a check', 'Redis MB']
  return [head, ...rows]
}

function machine(): string {
  return `${described(thisMachine())}; ${new Date().toISOString().slice(0, 10)}`
}
