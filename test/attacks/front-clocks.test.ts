import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { Client } from '../support/client.ts'
import { describeLongWithRedis } from '../support/describe-with-redis.ts'
import { obeyedByAll } from '../support/obeyed.ts'
import { isOnPath } from '../support/on-path.ts'
import { RedisServer } from '../support/redis-server.ts'
import { Service } from '../support/service.ts'
import { ShiftedClock } from '../support/shifted-clock.ts'

const MINUTE_MS = 60_000
/** How far the clocks of the front processes are ahead of that of Redis. */
const SHIFTS_MS = [50_000, -50_000]
const CAPACITY = 5
const KEY = 'minutely:a'
/** From the first check to the boundary, and from there to the last one. */
const AROUND_MS = 1_500
/** Time for a denial to arrive: a process counts from then on, so that no waiting time is too short. */
const MAX_TRANSFER_MS = 500

const describeLongWithCc = isOnPath('cc') ? describeLongWithRedis : describe.skip

interface Asked {
  readonly allowed: boolean
  readonly retryAfterMs: number
  readonly askedAtMs: number
  readonly answeredAtMs: number
}

describeLongWithCc('front processes whose clocks are almost a minute ahead of that of Redis, and behind it', () => {
  let clocks: ShiftedClock[]
  let redis: RedisServer
  let services: Service[]
  let clients: Client[]

  beforeAll(async () => {
    clocks = SHIFTS_MS.map(() => new ShiftedClock())
    redis = await RedisServer.start()
    const env = { REDIS_URL: redis.url, WEB_CONCURRENCY: '1' }
    clocks.forEach((clock, i) => {
      clock.shiftTo(SHIFTS_MS[i] ?? 0)
    })
    const fronts = await Promise.all(
      clocks.map(clock => Service.start({ kind: 'api', isPatient: true, env: { ...env, ...clock.env } })),
    )
    services = [...fronts, await Service.start({ kind: 'worker', isPatient: true, env })]
    clients = fronts.map(front => new Client(front.url))
    await clients[0]?.put('minutely:*', { kind: 'quota', capacity: CAPACITY, period: 'minute' })
    await obeyedByAll(clients, KEY, 'minutely:*')
  }, MINUTE_MS)
  afterAll(async () => {
    await Promise.all((services ?? []).map(service => service.stop()))
    await redis?.stop()
    for (const clock of clocks ?? []) clock.remove()
  }, MINUTE_MS)

  async function ask(client: Client): Promise<Asked> {
    const askedAtMs = Date.now()
    const { body } = await client.check(KEY)
    expect(['redis', 'denied-cache']).toContain(body.source)
    return { allowed: body.allowed, retryAfterMs: body.retryAfterMs, askedAtMs, answeredAtMs: Date.now() }
  }

  it(
    'begin a minute together, when it begins by the clock of Redis',
    async () => {
      const boundaryMs = await nextBoundary(redis)
      await sleep(boundaryMs - AROUND_MS - Date.now())
      const spent = await Promise.all(Array.from({ length: CAPACITY }, (_, i) => ask(clients[i % 2] as Client)))
      expect(spent.map(({ allowed }) => allowed)).not.toContain(false)
      const asked: Asked[] = []
      const askOn = async (client: Client) => {
        while (Date.now() < boundaryMs + AROUND_MS) asked.push(await ask(client))
      }
      await Promise.all(clients.map(askOn))

      const before = asked.filter(({ answeredAtMs }) => answeredAtMs < boundaryMs)
      expect(before.length).toBeGreaterThan(10)
      expect(before.filter(({ allowed }) => allowed)).toEqual([])
      for (const { retryAfterMs, askedAtMs, answeredAtMs } of before) {
        expect(answeredAtMs + retryAfterMs).toBeGreaterThanOrEqual(boundaryMs)
        expect(askedAtMs + retryAfterMs).toBeLessThan(boundaryMs + MAX_TRANSFER_MS)
      }
      expect(asked.filter(({ allowed }) => allowed)).toHaveLength(CAPACITY)
    },
    3 * MINUTE_MS,
  )
})

/** The next minute by Redis's clock that leaves time for the checks before it, in ms since 1970. */
async function nextBoundary({ url }: RedisServer): Promise<number> {
  const redis = new Redis(url)
  const [seconds] = await redis.time()
  redis.disconnect()
  return Math.ceil((Number(seconds) * 1_000 + 2 * AROUND_MS) / MINUTE_MS) * MINUTE_MS
}
