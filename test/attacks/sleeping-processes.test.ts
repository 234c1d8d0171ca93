import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { Client } from '../support/client.ts'
import { describeLongWithRedis } from '../support/describe-with-redis.ts'
import { eventually } from '../support/eventually.ts'
import { obeyedByAll } from '../support/obeyed.ts'
import { isAlive } from '../support/processes.ts'
import { RedisServer } from '../support/redis-server.ts'
import { Service } from '../support/service.ts'

const ATTACK_MS = 60_000
/** Shorter than what a process may be silent for. */
const LONGEST_SLEEP_MS = 4_000
const CALLERS = 16
const MAX_TOKENS = 4
const PROCESSES = 3
const CAPACITY = 500

describeLongWithRedis('a minute in which front processes and the worker are stopped and continued at random', () => {
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
  }, 30_000)

  it(
    'admits the capacity and each share once, obeys every change in order, and replaces nobody',
    async () => {
      const pids = [...service.pidsOf('throttler front'), ...service.pidsOf('throttler worker')]
      expect(pids).toHaveLength(PROCESSES + 1)
      const startMs = performance.now()
      const isOver = () => performance.now() - startMs > ATTACK_MS
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
      const stopAtRandom = async () => {
        while (!isOver()) {
          const pid = pids[Math.floor(Math.random() * pids.length)] as number
          process.kill(pid, 'SIGSTOP')
          await sleep(Math.random() * LONGEST_SLEEP_MS)
          process.kill(pid, 'SIGCONT')
          await sleep(100)
        }
      }
      await Promise.all([...Array.from({ length: CALLERS }, ask), change(), stopAtRandom()])

      expect(admitted.redis).toBeLessThanOrEqual(CAPACITY)
      expect(admitted.redis + admitted.local).toBeLessThanOrEqual(
        CAPACITY + PROCESSES * Math.ceil(CAPACITY / PROCESSES),
      )
      expect(pids.filter(pid => !isAlive(pid))).toEqual([])
      expect(applied).toBeGreaterThan(10)
      const { events } = (await client.get('/config/changed/history?limit=1000')).body
      const capacities = events.map(
        (event: { policy: { limits: { capacity: number }[] } }) => event.policy.limits[0]?.capacity,
      )
      expect(capacities).toEqual(capacities.toSorted((a: number, b: number) => a - b))
      expect(new Set(capacities).size).toBe(capacities.length)
      await eventually(async () => expect((await client.get('/health')).body.status).toBe('ok'), 10_000)
    },
    ATTACK_MS + 60_000,
  )
})
