import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { CheckLoad } from '../support/check-load.ts'
import { Client } from '../support/client.ts'
import { describeLongWithRedis } from '../support/describe-with-redis.ts'
import { eventually } from '../support/eventually.ts'
import { obeyedByAll } from '../support/obeyed.ts'
import { isAlive } from '../support/processes.ts'
import { samplesIn } from '../support/prometheus.ts'
import { RedisServer } from '../support/redis-server.ts'
import { Service } from '../support/service.ts'
import { endOf, faultsOf } from '../support/stops.ts'

const PROCESSES = 3

const SHORT_FREEZES_MS = 60_000
/** A process that is silent for ten seconds counts as hung. */
const SHORT_FREEZE_MS = 4_000
const CALLERS = 16
const MAX_TOKENS = 4
const CAPACITY = 500

const ROUNDS = 12
const LONG_FREEZE_MS = 14_000
const CHECKS_PER_SECOND = 200

describeLongWithRedis('processes that are frozen and continued at random', () => {
  let redis: RedisServer
  let service: Service
  let client: Client

  beforeAll(async () => {
    redis = await RedisServer.start()
    service = await Service.start({ env: { REDIS_URL: redis.url, WEB_CONCURRENCY: String(PROCESSES) } })
    client = new Client(service.url)
    await client.put('hot', { capacity: CAPACITY, refillTokens: 1, refillIntervalMs: 86_400_000 })
    await obeyedByAll([client], 'hot', 'hot')
  }, 60_000)
  afterAll(async () => {
    await service.stop()
    await redis.stop()
  })

  it(
    'for a moment, admit the capacity and each share once, obey every change in order, and are not replaced',
    async () => {
      const pids = [...service.pidsOf('throttler front'), ...service.pidsOf('throttler worker')]
      expect(pids).toHaveLength(PROCESSES + 1)
      const endMs = performance.now() + SHORT_FREEZES_MS
      const isOver = () => performance.now() > endMs
      const admitted = { redis: 0, local: 0 }
      const ask = async (_: unknown, caller: number) => {
        const tokens = 1 + (caller % MAX_TOKENS)
        while (!isOver()) {
          const { status, body } = await client.check('hot', tokens)
          if (status === 200) admitted[body.source as 'redis' | 'local'] += tokens
          else if (status !== 429) expect([status, body.code]).toEqual([503, 'overloaded'])
        }
      }
      let applied = 0
      const change = async () => {
        for (let n = 1; !isOver(); n++) {
          const { status } = await client.put('changed', { capacity: n, refillTokens: 1 })
          if (status < 202) applied = n
        }
      }
      const freezeAtRandom = async () => {
        while (!isOver()) {
          const victim = oneOf(pids)
          process.kill(victim, 'SIGSTOP')
          await sleep(Math.random() * SHORT_FREEZE_MS)
          process.kill(victim, 'SIGCONT')
          await sleep(100)
        }
      }
      await Promise.all([...Array.from({ length: CALLERS }, ask), change(), freezeAtRandom()])

      expect(admitted.redis).toBeLessThanOrEqual(CAPACITY)
      const shares = PROCESSES * Math.ceil(CAPACITY / PROCESSES)
      expect(admitted.redis + admitted.local).toBeLessThanOrEqual(CAPACITY + shares)
      expect(pids.filter(pid => !isAlive(pid))).toEqual([])
      expect(applied).toBeGreaterThan(10)
      const capacities = await capacitiesInHistory()
      expect(capacities).toEqual(capacities.toSorted((a, b) => a - b))
      expect(new Set(capacities).size).toBe(capacities.length)
      await eventually(async () => expect((await client.get('/health')).body.status).toBe('ok'), 10_000)
    },
    SHORT_FREEZES_MS + 60_000,
  )

  async function capacitiesInHistory(): Promise<number[]> {
    const { events } = (await client.get('/config/changed/history?limit=1000')).body
    return events.map((event: { policy: { limits: { capacity: number }[] } }) => event.policy.limits[0]?.capacity)
  }

  it('for longer, under load and during replacements, are running again afterwards, and the service stops in order', async () => {
    const load = new CheckLoad({
      urls: [service.url],
      ratePerSecond: CHECKS_PER_SECOND,
      keyOf: i => `key-${i % 100}`,
    })
    for (let round = 0; round < ROUNDS; round++) await freezeFrontDuringReplacement()
    await load.runsFor(1_000)
    await eventually(async () => {
      const { text } = await client.request('GET', '/metrics', undefined, { connection: 'close' })
      expect(samplesIn(text).get('throttler_front_processes')).toBe(PROCESSES)
      expect(service.pidsOf('throttler front')).toHaveLength(PROCESSES)
    })
    const samples = await load.stop()
    const after = Array.from({ length: 50 }, (_, i) =>
      client.request('POST', '/check', { key: `after-${i}` }, { connection: 'close' }),
    )
    expect(new Set((await Promise.all(after)).map(({ status }) => status))).toEqual(new Set([200]))
    const failed = samples.filter(({ status }) => status === 0).length
    process.stderr.write(`${samples.length} checks, ${failed} of them lost with a process that froze\n`)
    expect(faultsOf(await endOf(service))).toEqual([])
  }, 600_000)

  async function freezeFrontDuringReplacement(): Promise<void> {
    const victim = oneOf(service.pidsOf('throttler front'))
    if (!isAlive(victim)) return
    process.kill(victim, 'SIGSTOP')
    await sleep(Math.random() * 1_000)
    service.process.kill('SIGHUP')
    await sleep(Math.random() * LONG_FREEZE_MS)
    if (isAlive(victim)) process.kill(victim, 'SIGCONT')
  }
})

function oneOf(pids: readonly number[]): number {
  const pid = pids[Math.floor(Math.random() * pids.length)]
  if (pid === undefined) throw new Error('there is no process to freeze')
  return pid
}
