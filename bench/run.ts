import { Redis } from 'ioredis'
import { RedisBucketStore } from '../src/redis/buckets/redis-bucket-store.ts'
import { BucketKeys } from '../src/redis/keys.ts'
import { RedisServer } from '../test/support/redis-server.ts'
import { checksWithoutStore, startAll, whySkipped } from './fleet.ts'
import { HELD_KEYS, HOLDS_PER_KEY, heldKey } from './load/keys.ts'
import { LoadGenerator } from './load/load-generator.ts'
import { type Measurement, measure } from './measure.ts'
import type { Options } from './options.ts'
import { POLICY } from './policy.ts'
import { type BucketMemory, KEY_PREFIX, measureBucketMemory } from './probes/bucket-memory.ts'
import { holdMany } from './probes/hold-many.ts'
import { type HoldMemory, measureHoldMemory } from './probes/hold-memory.ts'
import { storeDescriptorPolicy } from './processes/descriptor-policy.ts'
import type { MeasuredProcess } from './processes/measured-process.ts'
import { MEMORY, ROWS, type Row, SERVICES } from './rows.ts'

/** What the rows showed in one round, by name. */
export type Round = Readonly<Record<string, Measurement>>

export interface RunResult {
  readonly rounds: readonly Round[]
  readonly memory: BucketMemory | undefined
  readonly holdMemory: HoldMemory | undefined
  /** What a reader of the numbers must know. */
  readonly remarks: readonly string[]
}

type Say = (line: string) => void

export interface RunOptions extends Options {
  /** Ends the run early, and every process that it started. */
  readonly stop: AbortSignal
}

export async function run(options: RunOptions, say: Say): Promise<RunResult> {
  const rows = ROWS.filter(row => options.only.includes(row.name))
  const measured = rows.length === 0 ? { rounds: [], remarks: [] } : await runRows(rows, options, say)
  if (!options.only.includes(MEMORY)) return { ...measured, memory: undefined, holdMemory: undefined }
  say(`filling a Redis with ${options.buckets} buckets`)
  const memory = await measureBucketMemory(options.buckets)
  say('filling a Redis with reservations')
  return { ...measured, memory, holdMemory: await measureHoldMemory() }
}

async function runRows(
  rows: readonly Row[],
  options: RunOptions,
  say: Say,
): Promise<Omit<RunResult, 'memory' | 'holdMemory'>> {
  const server = await RedisServer.start()
  const redis = new Redis(server.url)
  const load = new LoadGenerator()
  const stops = [() => load.end(), () => redis.disconnect(), () => server.stop()]
  try {
    const processes = await startAll(rows, server.url)
    stops.unshift(...[...processes.values()].map(({ stop }) => stop))
    const { runnable, remarks } = await sort(rows, processes)
    if (rows.some(({ requests }) => requests === 'held')) await holdInAll(redis)
    const overGrpc = rows.find(({ port }) => port === 'grpcPort')
    if (overGrpc) await storeDescriptorPolicy(processes.get(overGrpc.server) as MeasuredProcess, server.url)
    const bench = { ...options, load, redis, redisPid: server.pid }
    const rounds: Round[] = []
    for (let i = 1; i <= options.rounds; i++) {
      const round: Record<string, Measurement> = {}
      for (const { row, process } of runnable) {
        say(`round ${i} of ${options.rounds}: ${row.name}`)
        round[row.name] = await measure(row, process, bench)
      }
      rounds.push(round)
    }
    const services = SERVICES.flatMap(name => processes.get(name) ?? [])
    remarks.push(...(await faults(rounds, services)))
    return { rounds, remarks }
  } finally {
    for (const stop of stops) await stop()
  }
}

/** Gives the keys of the row `ours-held` what they hold. */
async function holdInAll(redis: Redis): Promise<void> {
  const store = new RedisBucketStore(redis, new BucketKeys(KEY_PREFIX))
  const keys = Array.from({ length: HELD_KEYS }, (_, i) => heldKey(i))
  await holdMany({ store, policy: POLICY, keys, holdsPerKey: HOLDS_PER_KEY })
}

async function sort(rows: readonly Row[], processes: ReadonlyMap<string, MeasuredProcess>) {
  const runnable: { row: Row; process: MeasuredProcess }[] = []
  const remarks: string[] = []
  for (const row of rows) {
    const process = processes.get(row.server) as MeasuredProcess
    const reason = await whySkipped(row, process)
    if (reason === undefined) runnable.push({ row, process })
    else remarks.push(`${row.name} is left out: ${reason}`)
  }
  return { runnable, remarks }
}

/** What would make the numbers wrong. */
async function faults(rounds: readonly Round[], services: readonly MeasuredProcess[]): Promise<string[]> {
  const found: string[] = []
  for (const name of Object.keys(rounds[0] ?? {})) {
    const count = rounds.reduce((sum, round) => sum + (round[name]?.unexpectedAnswers ?? 0), 0)
    if (count > 0) found.push(`${name}: ${count} answers had another status than expected`)
  }
  const counts = await Promise.all(services.map(checksWithoutStore))
  const alone = counts.reduce((sum, count) => sum + count, 0)
  if (alone > 0) found.push(`the service decided ${alone} checks without Redis, which did not answer in time`)
  return found
}
