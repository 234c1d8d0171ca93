import { afterEach, expect, it } from '@jest/globals'
import { Client } from '../support/client.ts'
import { describeWithRedis } from '../support/describe-with-redis.ts'
import { eventually } from '../support/eventually.ts'
import { RedisServer } from '../support/redis-server.ts'
import { Service } from '../support/service.ts'

const OUTAGES = process.env['TEST_LONG'] === undefined ? 2 : 10
const CALLERS = 8

describeWithRedis('redis-server with an append-only file that is synced on each write', () => {
  const services: Service[] = []
  let redis: RedisServer | undefined

  afterEach(async () => {
    await Promise.all(services.splice(0).map(service => service.stop()))
    await redis?.stop()
  })

  it('loses no change that was reported as applied when it is killed', async () => {
    redis = await RedisServer.start('--appendonly', 'yes', '--appendfsync', 'always')
    const env = { REDIS_URL: redis.url, WEB_CONCURRENCY: '1', LOG_LEVEL: 'info' }
    const [api, worker] = await Promise.all([
      Service.start({ kind: 'api', env }),
      Service.start({ kind: 'worker', env }),
    ])
    services.push(api, worker)
    const client = new Client(api.url)

    const applied = new Map<string, number[]>()
    let isChanging = true
    /** Changes its key repeatedly. Repeats a change that may not have been accepted with the same Idempotency-Key. */
    async function change(key: string): Promise<void> {
      for (let number = 1; isChanging; number++) {
        const headers = { 'idempotency-key': `${key}-${number}`, prefer: 'wait=60' }
        for (;;) {
          const answer = await client.put(key, { capacity: number, refillTokens: 1 }, headers)
          if (answer.status < 202) applied.set(key, [...(applied.get(key) ?? []), number])
          if (answer.status < 300) break
          expect(answer.status).toBe(503)
        }
      }
    }
    const callers = Array.from({ length: CALLERS }, (_, i) => change(`key-${i}`))
    const count = () => [...applied.values()].flat().length
    for (let outage = 0; outage < OUTAGES; outage++) {
      const before = count()
      await eventually(() => expect(count()).toBeGreaterThan(before + 50))
      await redis.kill('SIGKILL')
      await redis.restart()
    }
    const before = count()
    await eventually(() => expect(count()).toBeGreaterThan(before + 50))
    isChanging = false
    await Promise.all(callers)

    for (const [key, numbers] of applied) {
      const { events } = (await client.get(`/config/${key}/history?limit=1000`)).body as {
        events: { version: number; policy: { limits: [{ capacity: number }] } }[]
      }
      const capacities = events.map(({ policy }) => policy.limits[0].capacity)
      // The log has every change once, in order, including each one that was reported as applied.
      expect(capacities).toEqual(events.map((_, i) => i + 1))
      expect(events.map(({ version }) => version)).toEqual(capacities)
      expect(numbers.filter(number => !capacities.includes(number))).toEqual([])
    }
  })
})
