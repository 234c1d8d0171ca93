/** What so many checks a second take, from what the benchmarks measured. */
import type { Measurement } from '../measure.ts'
import type { ClusterResult } from './run.ts'

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

/** One row for each load; a `*` marks those beyond what was measured, which follow in proportion. */
export function scalingTable(bench: BenchInputs, cluster: ClusterResult): readonly (readonly string[])[] {
  const { single, batch100 } = cluster
  const oneCallEach = bench.rows['evalsha-per-check']?.median
  if (single === undefined || batch100 === undefined || oneCallEach === undefined) throw new Error('a row is missing')
  const measuredUpTo = single.cluster.decisionsPerSecond
  const head = ['checks/s', 'front cores', 'in batches of 100', 'masters', 'at most', 'memory of buckets']
  const rows = LOADS.map(load => {
    const mark = load > measuredUpTo ? ' *' : ''
    const cores = (micros: number) => Math.max(1, Math.ceil((load * micros) / 1e6 / UTILIZATION))
    const masters = (micros: number) => {
      const needed = cores(micros)
      return needed > MOST_MASTERS ? `${needed} > ${MOST_MASTERS}` : String(needed)
    }
    const gigabytes = (load * BUCKETS_PER_CHECK_A_SECOND * bench.memory.bytesPerBucket) / 1e9
    return [
      load.toLocaleString('en') + mark,
      String(cores(single.cluster.frontMicros)),
      String(cores(batch100.cluster.frontMicros)),
      masters(single.cluster.redisMicros),
      masters(oneCallEach.redisMicros),
      `${gigabytes.toFixed(gigabytes < 10 ? 1 : 0)} GB`,
    ]
  })
  return [head, ...rows]
}
