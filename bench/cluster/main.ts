/** What a check costs on Redis Cluster against one server: `npm run bench:cluster`. docs/scaling.md says what follows from it. */
import { parseArgs } from 'node:util'
import { requireRedis, stopSignal } from '../lifecycle.ts'
import { clusterReport, keep, render } from './report.ts'
import { runCluster } from './run.ts'

const { quick } = parseArgs({ options: { quick: { type: 'boolean', default: false } } }).values
requireRedis()

const options = { rounds: quick ? 1 : 5, seconds: quick ? 1 : 3, stop: stopSignal() }
const report = clusterReport(await runCluster(options, line => console.error(line)))
console.log(render(report))
if (!quick) keep(report)
