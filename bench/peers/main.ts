/** What a check costs other rate limiters, beside ours: `npm run bench:peers`. It builds them, which takes minutes. */
import { homedir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { requireRedis, stopSignal } from '../lifecycle.ts'
import { targetTable, toText } from '../report/tables.ts'
import { replaceSection } from '../report/write.ts'
import { peerSection, peerTable } from './report.ts'
import { runPeers } from './run.ts'
import { judgePeers } from './targets.ts'

const { quick } = parseArgs({ options: { quick: { type: 'boolean', default: false } } }).values
requireRedis()

const root = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'throttler-bench')
const options = { rounds: quick ? 1 : 3, seconds: quick ? 1 : 3, root, stop: stopSignal() }
const run = await runPeers(options, line => console.error(line))
console.log(`${toText(peerTable(run))}\n\n${toText(targetTable({ targets: judgePeers(run) }))}`)
if (!quick) replaceSection('npm run bench:peers', peerSection(run))
