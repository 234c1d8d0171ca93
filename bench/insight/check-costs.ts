import { Redis } from 'ioredis'
import { RedisServer } from '../../test/support/redis-server.ts'
import { BATCH_SIZE } from '../load/keys.ts'
import { LoadGenerator } from '../load/load-generator.ts'
import { measure } from '../measure.ts'
import { startService } from '../processes/service.ts'
import { median } from '../report/statistics.ts'
import { type Row, SERVICE } from '../rows.ts'

const WARM_UP_SECONDS = 1

const single = { server: SERVICE, requests: 'single', decisionsPerAnswer: 1, status: 200 } as const

const ROWS: readonly Row[] = [
  { ...single, name: 'single' },
  { ...single, name: 'batch100', requests: 'batch', decisionsPerAnswer: BATCH_SIZE },
  { ...single, name: 'denied', requests: 'denied', status: 429 },
]

interface CheckCostsOptions {
  readonly pairs: number
  readonly seconds: number
  /** Ends the run early. */
  readonly stop: AbortSignal
  say(line: string): void
}

/** CPU of the front processes, in µs a check; medians of the pairs. */
export interface CheckCost {
  readonly name: string
  readonly without: number
  readonly withInsight: number
  /** Median of the ratios of the pairs. */
  readonly ratio: number
}

/**
 * Compares two services in turn: one with the defaults, and one with `LOG_KEYS=none`, which keeps neither counts of keys nor denials. The
 * order alternates, so that a machine that slows down slows down both.
 */
export async function measureCheckCosts(options: CheckCostsOptions): Promise<readonly CheckCost[]> {
  const { pairs, seconds, stop, say } = options
  const server = await RedisServer.start()
  const redis = new Redis(server.url)
  const load = new LoadGenerator()
  const stops = [() => load.end(), () => redis.disconnect(), () => server.stop()]
  try {
    const [without, withInsight] = [
      await startService(server.url, { LOG_KEYS: 'none' }),
      await startService(server.url),
    ]
    stops.unshift(without.stop, withInsight.stop)
    const bench = { load, redis, redisPid: server.pid, warmUpSeconds: WARM_UP_SECONDS, seconds, stop }
    const costs: CheckCost[] = []
    for (const row of ROWS) {
      const measured: { without: number; withInsight: number }[] = []
      for (let pair = 1; pair <= pairs; pair++) {
        say(`${row.name}: pair ${pair} of ${pairs}`)
        const isReversed = pair % 2 === 0
        const first = (await measure(row, isReversed ? withInsight : without, bench)).frontMicros
        const second = (await measure(row, isReversed ? without : withInsight, bench)).frontMicros
        measured.push(isReversed ? { without: second, withInsight: first } : { without: first, withInsight: second })
      }
      costs.push({
        name: row.name,
        without: median(measured.map(pair => pair.without)),
        withInsight: median(measured.map(pair => pair.withInsight)),
        ratio: median(measured.map(pair => pair.withInsight / pair.without)),
      })
    }
    return costs
  } finally {
    for (const stop of stops) await stop()
  }
}
