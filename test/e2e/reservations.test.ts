import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { Client } from '../support/client.ts'
import { ConcurrentJobs } from '../support/concurrent-jobs.ts'
import { describeWithRedis } from '../support/describe-with-redis.ts'
import { eventually } from '../support/eventually.ts'
import { obeyedByAll } from '../support/obeyed.ts'
import { RedisServer } from '../support/redis-server.ts'
import { Service } from '../support/service.ts'
import { SettledWork } from '../support/settled-work.ts'

const IS_LONG = process.env['TEST_LONG'] !== undefined

const PROCESSES = IS_LONG ? 4 : 2
const AT_ONCE = 5
const JOBS = IS_LONG
  ? { callers: 200, ttlMs: 3_000, forMs: 60_000, killEveryMs: 1_000 }
  : { callers: 30, ttlMs: 1_000, forMs: 5_000, killEveryMs: 2_000 }

const WORK = IS_LONG
  ? {
      capacity: 100_000,
      refillIntervalMs: 60_000,
      estimate: 4_000,
      costs: [200, 9_000],
      mostWorkMs: 3_000,
      forMs: 120_000,
    }
  : { capacity: 1_000, refillIntervalMs: 1_000, estimate: 40, costs: [2, 90], mostWorkMs: 30, forMs: 3_000 }
const WORKERS = 25

const report = (what: string, figures: object) => {
  if (process.env['TEST_FIGURES'] !== undefined) process.stderr.write(`${what}: ${JSON.stringify(figures)}\n`)
}

describeWithRedis('reservations of many callers at several processes', () => {
  let redis: RedisServer
  let service: Service
  let client: Client
  beforeAll(async () => {
    redis = await RedisServer.start()
    service = await Service.start({
      env: { REDIS_URL: redis.url, WEB_CONCURRENCY: String(PROCESSES), ON_STORE_FAILURE: 'deny' },
    })
    client = new Client(service.url)
  })
  afterAll(async () => {
    await service.stop()
    await redis.stop()
  })

  /** Kills one front process after another, each once the service answers: on a busy machine, a new process takes seconds to start. */
  async function killFor(forMs: number, everyMs: number): Promise<number> {
    const untilMs = performance.now() + forMs
    let killed = 0
    while (performance.now() < untilMs) {
      await sleep(everyMs)
      await eventually(() => client.check('any', 0))
      const [victim] = service.pidsOf('throttler front')
      if (victim === undefined) continue
      process.kill(victim, 'SIGKILL')
      killed++
    }
    return killed
  }

  it(
    'never run more jobs at once than the limit allows, while processes are killed',
    async () => {
      const key = 'jobs'
      await client.put(key, { kind: 'concurrency', capacity: AT_ONCE })
      await obeyedByAll([client], key, key)
      const { callers, ttlMs, forMs, killEveryMs } = JOBS
      const jobs = new ConcurrentJobs({ url: service.url, key, callers, ttlMs })
      const killed = await killFor(forMs, killEveryMs)
      await jobs.stop()
      const { mostAtOnce, averageAtOnce, lost } = jobs
      report('jobs', { jobs: jobs.jobs.length, mostAtOnce, averageAtOnce, killed, lost })
      expect(mostAtOnce).toBeLessThanOrEqual(AT_ONCE)
      expect(averageAtOnce).toBeGreaterThan(0.5)
      expect(killed).toBeGreaterThan(0)

      // What crashed callers and lost answers hold is free within the time to live.
      await sleep(ttlMs)
      const reserve = () => client.request('POST', '/reservations', { key, tokens: 0, ttlMs: 60_000 })
      const free: number[] = []
      for (let i = 0; i <= AT_ONCE; i++) free.push((await eventually(reserve)).status)
      expect(free).toEqual([...Array(AT_ONCE).fill(201), 429])
    },
    IS_LONG ? 180_000 : 30_000,
  )

  it(
    'charge at most what the limit allows, although costs differ from their estimates',
    async () => {
      const { capacity, refillIntervalMs, estimate, costs, mostWorkMs, forMs } = WORK
      const key = 'work'
      await client.put(key, { capacity, refillTokens: capacity, refillIntervalMs })
      await obeyedByAll([client], key, key)
      const work = new SettledWork({
        client,
        key,
        callers: WORKERS,
        estimate,
        costs: costs as [number, number],
        mostWorkMs,
      })
      const startMs = performance.now()
      await work.runFor(forMs)
      const { body } = await client.check(key, 0)
      const ms = performance.now() - startMs
      const refilled = (capacity * ms) / refillIntervalMs
      const owed = (capacity * body.resetAfterMs) / refillIntervalMs
      const { settled, denied, cost, charged } = work
      const used = charged / (capacity + refilled)
      report('costs', { settled, denied, cost, charged, owed, bound: capacity + refilled, used })
      // What is charged is owed until it has refilled: nothing is minted.
      expect(charged).toBeLessThanOrEqual(owed + refilled)
      expect(charged).toBeLessThanOrEqual(2 * capacity + refilled)
      expect(owed).toBeLessThanOrEqual(2 * capacity)
      expect(used).toBeGreaterThan(0.5)
    },
    IS_LONG ? 180_000 : 30_000,
  )
})
