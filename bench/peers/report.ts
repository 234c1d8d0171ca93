import { described, thisMachine } from '../report/machine.ts'
import { median } from '../report/statistics.ts'
import { targetTable, toMarkdown } from '../report/tables.ts'
import { SERVICE } from '../rows.ts'
import { PEERS } from './peers.ts'
import { PEER_ROWS, type PeerRow } from './rows.ts'
import type { PeerRun } from './run.ts'
import { judgePeers } from './targets.ts'

type Cells = readonly string[]

const HEAD = ['measured', 'service µs', 'store µs', 'checks/s of a core', 'p50 ms', 'p99 ms', 'decides']
const NOT_MEASURED = '–'
const MICROS_OF_A_SECOND = 1e6
const OURS = 'token bucket, exact, shared over Redis'

/** Limitador's server is on no registry, so it cannot be built here. Measured by hand, in another run. */
const QUOTED: readonly Cells[] = [
  ['limitador, on Redis', 42.6, 12.1, 'fixed window, shared over Redis'] as const,
  ['limitador, Redis and its cache', 26.5, 3.6, 'fixed window, shared over Redis, approximate'] as const,
  ['limitador, in memory', 19.0, 0, 'fixed window, in the memory of one process'] as const,
].map(([name, service, store, decides]) => [
  `${name} (quoted)`,
  ...costs(service, store),
  NOT_MEASURED,
  NOT_MEASURED,
  decides,
])

export function peerTable({ rows, failures }: PeerRun): readonly Cells[] {
  const decides = new Map([[SERVICE, OURS], ...PEERS.map(peer => [peer.name, peer.decides] as const)])
  const cells = (row: PeerRow) => {
    const rounds = rows.get(row.name)
    if (rounds === undefined) return [titleOf(row), ...Array(5).fill(NOT_MEASURED), failures.get(row.server) ?? '']
    const figure = (name: 'frontMicros' | 'redisMicros' | 'p50Ms' | 'p99Ms') => median(rounds.map(round => round[name]))
    const times = [figure('p50Ms').toFixed(2), figure('p99Ms').toFixed(2)]
    return [
      titleOf(row),
      ...costs(figure('frontMicros'), figure('redisMicros')),
      ...times,
      decides.get(row.server) ?? '',
    ]
  }
  return [HEAD, ...PEER_ROWS.map(cells), ...QUOTED]
}

/** For the page on benchmarks. */
export function peerSection(run: PeerRun): string {
  const versions = PEERS.map(({ name, version }) => `${name} ${version}`)
  const date = new Date().toISOString().slice(0, 10)
  const machine = `${described(thisMachine())}; ${versions.join(', ')}; ${date}; \`npm run bench:peers\``
  const targets = toMarkdown(targetTable({ targets: judgePeers(run) }))
  return `${machine}\n\n${toMarkdown(peerTable(run))}\n\n${targets}`
}

function titleOf({ name, server }: PeerRow): string {
  return server === SERVICE ? name.replace(SERVICE, 'Throttler') : name
}

function costs(service: number, store: number): Cells {
  const checksOfACore = Math.round(MICROS_OF_A_SECOND / (service + store))
  return [service.toFixed(1), store.toFixed(1), checksOfACore.toLocaleString('en')]
}
