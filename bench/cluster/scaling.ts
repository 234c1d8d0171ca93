/** The hardware for a given number of checks a second, computed from the benchmarks. */
import type { Measurement } from '../measure.ts'
import type { ClusterRound } from './run.ts'

/** Bucket partitions: there cannot be more masters that have buckets. */
const MOST_MASTERS = 64
/** What of a core is planned with: beyond, waiting times grow faster than load. Not measured. */
const UTILIZATION = 0.6
/** Checks a second. */
const LOADS = [1_000, 10_000, 30_000, 100_000, 300_000, 1_000_000] as const
/** How many buckets that are not full there are for each check a second. Not measured: it is the callers' own. */
const BUCKETS_PER_CHECK_A_SECOND = 100

/** Of `bench/results/latest.json`, what is needed here. */
export interface BenchInputs {
  readonly rows: Readonly<Record<string, { readonly median: Measurement }>>
  readonly memory: { readonly bytesPerBucket: number }
}

/** One row for each load; a `*` marks those beyond what one front process was measured at, which follow in proportion. */
export function scalingTable(bench: BenchInputs, cluster: ClusterRound): readonly (readonly string[])[] {
  const single = costOnCluster(bench, cluster, 'ours-single', 'single')
  const batch = costOnCluster(bench, cluster, 'ours-batch100', 'batch100')
  const oneCallEach = benchRow(bench, 'evalsha-per-check').redisMicros
  const measuredUpTo = benchRow(bench, 'ours-single').decisionsPerSecond
  const head = ['checks/s', 'front cores', 'in batches of 100', 'masters', 'at most', 'memory of buckets']
  const rows = LOADS.map(load => {
    const masters = (micros: number) => {
      const needed = coresFor(load, micros)
      return needed > MOST_MASTERS ? `${needed} > ${MOST_MASTERS}` : String(needed)
    }
    const gigabytes = (load * BUCKETS_PER_CHECK_A_SECOND * bench.memory.bytesPerBucket) / 1e9
    return [
      load.toLocaleString('en') + (load > measuredUpTo ? ' *' : ''),
      String(coresFor(load, single.frontMicros)),
      String(coresFor(load, batch.frontMicros)),
      masters(single.redisMicros),
      masters(Math.max(single.redisMicros, oneCallEach)),
      `${gigabytes.toFixed(gigabytes < 10 ? 1 : 0)} GB`,
    ]
  })
  return [head, ...rows]
}

/** What a decision costs, CPU µs: the benchmark's, times what the cluster was dearer by when both were measured side by side. */
function costOnCluster(bench: BenchInputs, cluster: ClusterRound, row: string, clusterRow: string) {
  const alone = benchRow(bench, row)
  const measured = cluster[clusterRow]
  if (measured === undefined) throw new Error(`there is no row ${clusterRow}`)
  const { 'one server': server, '3 masters': masters } = measured
  return {
    frontMicros: alone.frontMicros * (masters.frontMicros / server.frontMicros),
    redisMicros: alone.redisMicros * (masters.redisMicros / server.redisMicros),
  }
}

function benchRow({ rows }: BenchInputs, name: string): Measurement {
  const row = rows[name]
  if (row === undefined) throw new Error(`there is no row ${name}`)
  return row.median
}

function coresFor(checksPerSecond: number, micros: number): number {
  return Math.max(1, Math.ceil((checksPerSecond * micros) / 1e6 / UTILIZATION))
}
