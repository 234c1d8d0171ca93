/** What insight costs, how exact and how fast it is: `npm run bench:insight`. docs/benchmarks.md says what is measured. */
import { parseArgs } from 'node:util'
import { requireRedis, stopSignal } from '../lifecycle.ts'
import { described, thisMachine } from '../report/machine.ts'
import { targetTable, toMarkdown, toText } from '../report/tables.ts'
import { replaceSection } from '../report/write.ts'
import { measureCheckCosts } from './check-costs.ts'
import { measureConsoleStart } from './console-start.ts'
import { measureCountMemory } from './count-memory.ts'
import { costTable, type Figures, judgeFigures, tallyTable } from './figures.ts'
import { measureSimulation } from './simulation-speed.ts'
import { measureTally } from './tally-figures.ts'
import { measureTopAccuracy } from './top-accuracy.ts'

const { quick } = parseArgs({ options: { quick: { type: 'boolean', default: false } } }).values
requireRedis()

const figures = await measureFigures((part, line) => console.error(`${part}: ${line}`))
const tables = [targetTable({ targets: judgeFigures(figures) }), costTable(figures), tallyTable(figures)]
for (const table of tables) console.log(`${toText(table)}\n`)
if (!quick) {
  const machine = `${described(thisMachine())}; ${new Date().toISOString().slice(0, 10)}; \`npm run bench:insight\``
  replaceSection('npm run bench:insight', [machine, ...tables.map(toMarkdown)].join('\n\n'))
}

async function measureFigures(say: (part: string, line: string) => void): Promise<Figures> {
  const costs = await measureCheckCosts({
    rounds: quick ? 1 : 4,
    pairs: quick ? 1 : 5,
    seconds: quick ? 1 : 0.5,
    stop: stopSignal(),
    say: line => say('checks', line),
  })
  say('counting', 'a million checks of 10,000 keys, and of a million')
  const tallies = [10_000, 1_000_000].map(keys => ({ keys, ...measureTally(keys) }))
  say('memory', 'counts and denials in Redis')
  const memory = await measureCountMemory()
  say('/top', 'a million checks of three processes, twice')
  const accuracy = await measureTopAccuracy()
  say('simulate', 'recorded checks')
  const linesPerSecond = await measureSimulation(quick ? 100_000 : 3_000_000)
  say('console', 'opening it')
  return { costs, tallies, ...memory, ...accuracy, linesPerSecond, consoleMs: await measureConsoleStart() }
}
