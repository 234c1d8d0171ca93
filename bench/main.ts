/** The benchmark: `npm run bench`. docs/benchmarks.md says what is measured and how. */
import { renderPage } from './cluster/report.ts'
import { requireRedis, stopSignal } from './lifecycle.ts'
import { type Options, readOptions, USAGE } from './options.ts'
import { buildReport } from './report/report.ts'
import { keep, render } from './report/write.ts'
import { run } from './run.ts'

const args = process.argv.slice(2)

function optionsOrExit(): Options {
  try {
    return readOptions(args)
  } catch (err) {
    console.error(`${(err as Error).message}\n\n${USAGE}`)
    process.exit(1)
  }
}

const options = optionsOrExit()
requireRedis()

const result = await run({ ...options, stop: stopSignal() }, line => console.error(line))
const report = buildReport(result, args)
console.log(render(report))
if (options.isComplete) {
  keep(report)
  renderPage()
}
