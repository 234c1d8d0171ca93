import { Redis } from 'ioredis'
import { RedisServer } from '../../test/support/redis-server.ts'
import { BATCH_SIZE } from '../load/keys.ts'
import { LoadGenerator } from '../load/load-generator.ts'
import { measure } from '../measure.ts'
import type { MeasuredProcess } from '../processes/measured-process.ts'
import { startService } from '../processes/service.ts'
import { median } from '../report/statistics.ts'
import { type Row, SERVICE } from '../rows.ts'

/** Before each run. */
const WARM_UP_SECONDS = 0.25
/** Before the first pair of a row: V8 compiles what the row calls. */
const FIRST_WARM_UP_SECONDS = 1

const single = { server: SERVICE, requests: 'single', decisionsPerAnswer: 1, status: 200 } as const

const ROWS: readonly Row[] = [
  { ...single, name: 'single' },
  { ...single, name: 'batch100', requests: 'batch', decisionsPerAnswer: BATCH_SIZE },
  { ...single, name: 'denied', requests: 'denied', status: 429 },
]

interface CheckCostsOptions {
  /** Each round starts both services again, since V8 may compile the same code better in one process than in another. */
  readonly rounds: number
  readonly pairs: number
  readonly seconds: number
  /** Ends the run early. */
  readonly stop: AbortSignal
  say(line: string): void
}

/** CPU of the front processes, in µs a check; medians of the pairs of all rounds. */
export interface CheckCost {
  readonly name: string
  readonly without: number
  readonly withInsight: number
  /** Median of the ratios of the pairs. */
  readonly ratio: number
  /** The smallest and the largest of the rounds' medians: how far two services can be compared. */
  readonly ratios: readonly [number, number]
}

/** CPU of a check in two runs, one after the other. */
interface Pair {
  readonly without: number
  readonly withInsight: number
}

type Bench = Parameters<typeof measure>[2]

/**
 * Compares two services in turn: one with the defaults, and one with `LOG_KEYS=none`, which keeps neither counts of keys nor denials. The
 * order alternates, so that a machine that slows down slows down both.
 */
export async function measureCheckCosts(options: CheckCostsOptions): Promise<readonly CheckCost[]> {
  const { rounds, seconds, stop } = options
  const server = await RedisServer.start()
  const redis = new Redis(server.url)
  const load = new LoadGenerator()
  try {
    const bench = { load, redis, redisPid: server.pid, warmUpSeconds: WARM_UP_SECONDS, seconds, stop }
    const measured: (readonly (readonly Pair[])[])[] = []
    for (let round = 1; round <= rounds; round++) {
      const say = (line: string) => options.say(`round ${round} of ${rounds}: ${line}`)
      measured.push(await measureRound(server.url, bench, { ...options, say }))
    }
    return ROWS.map(({ name }, row) =>
      costOf(
        name,
        measured.map(pairsOfRows => pairsOfRows[row] ?? []),
      ),
    )
  } finally {
    load.end()
    redis.disconnect()
    await server.stop()
  }
}

/** The pairs of each row, with two services of their own. */
async function measureRound(
  redisUrl: string,
  bench: Bench,
  options: CheckCostsOptions,
): Promise<readonly (readonly Pair[])[]> {
  const stops: (() => Promise<void>)[] = []
  const start = async (variables: Readonly<Record<string, string>>) => {
    const service = await startService(redisUrl, variables)
    stops.push(service.stop)
    return service
  }
  try {
    const services = [await start({ LOG_KEYS: 'none' }), await start({})] as const
    const measured: (readonly Pair[])[] = []
    for (const row of ROWS) measured.push(await measurePairs(row, services, bench, options))
    return measured
  } finally {
    for (const stop of stops) await stop()
  }
}

async function measurePairs(
  row: Row,
  [without, withInsight]: readonly [MeasuredProcess, MeasuredProcess],
  bench: Bench,
  { pairs, say }: CheckCostsOptions,
): Promise<readonly Pair[]> {
  const costOfCheck = async (service: MeasuredProcess) => (await measure(row, service, bench)).frontMicros
  say(row.name)
  for (const service of [without, withInsight])
    await measure(row, service, { ...bench, warmUpSeconds: FIRST_WARM_UP_SECONDS })
  const measured: Pair[] = []
  for (let pair = 1; pair <= pairs; pair++) {
    const isReversed = pair % 2 === 0
    const first = await costOfCheck(isReversed ? withInsight : without)
    const second = await costOfCheck(isReversed ? without : withInsight)
    measured.push(isReversed ? { without: second, withInsight: first } : { without: first, withInsight: second })
  }
  return measured
}

function costOf(name: string, rounds: readonly (readonly Pair[])[]): CheckCost {
  const pairs = rounds.flat()
  const ratioOf = (measured: readonly Pair[]) => median(measured.map(pair => pair.withInsight / pair.without))
  const ratios = rounds.map(ratioOf)
  return {
    name,
    without: median(pairs.map(pair => pair.without)),
    withInsight: median(pairs.map(pair => pair.withInsight)),
    ratio: ratioOf(pairs),
    ratios: [Math.min(...ratios), Math.max(...ratios)],
  }
}
