/** What a check costs on Redis Cluster against one server: `npm run bench:cluster`. docs/scaling.md says what follows from it. */
import { parseArgs } from 'node:util'
import { redisVersion } from '../probes/redis-version.ts'
import { clusterReport, keep, render } from './report.ts'
import { runCluster } from './run.ts'

const { quick } = parseArgs({ options: { quick: { type: 'boolean', default: false } } }).values
if (redisVersion() === undefined) {
  console.error('redis-server is not installed, and the benchmark measures real servers.')
  process.exit(1)
}

const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())

const options = { rounds: quick ? 1 : 5, seconds: quick ? 1 : 3, stop: stop.signal }
const report = clusterReport(await runCluster(options, line => console.error(line)))
console.log(render(report))
if (!quick) keep(report)
