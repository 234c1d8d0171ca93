import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { BucketKeys } from '../../src/redis/keys.ts'
import { Client } from '../support/client.ts'
import { describeWithRedis } from '../support/describe-with-redis.ts'
import { eventually } from '../support/eventually.ts'
import { RedisServer } from '../support/redis-server.ts'
import { Service } from '../support/service.ts'

const HOT_KEY_MS = 2_000
const CALLERS = 16
const CAPACITY = 100
const REFILL_PER_SECOND = 10

describeWithRedis('a malformed bucket', () => {
  const bucketKeys = new BucketKeys('throttler')
  let redis: RedisServer
  let admin: Redis
  let service: Service
  let client: Client

  beforeAll(async () => {
    redis = await RedisServer.start()
    admin = new Redis(redis.url)
    service = await Service.start({ kind: 'api', env: { REDIS_URL: redis.url, LOG_KEYS: 'plain' } })
    client = new Client(service.url)
  })
  afterAll(async () => {
    admin.disconnect()
    await service.stop()
    await redis.stop()
  })

  const malformedCount = async () =>
    Number(/^throttler_malformed_buckets_total (\d+)$/m.exec(await (await fetch(`${service.url}/metrics`)).text())?.[1])

  it('opens no circuit, gives no other key a token, is counted, and is named in the log', async () => {
    expect(await malformedCount()).toBe(0)
    const startMs = performance.now()
    const isOver = () => performance.now() - startMs > HOT_KEY_MS
    let admitted = 0
    const breakAndAsk = async () => {
      while (!isOver()) {
        await admin.del(bucketKeys.bucket('bad'))
        await admin.lpush(bucketKeys.bucket('bad'), 'x')
        expect((await client.check('bad', 1)).body).toMatchObject({ allowed: true, remaining: CAPACITY - 1 })
      }
    }
    const askForHotKey = async () => {
      while (!isOver()) if ((await client.check('hot', 1)).status === 200) admitted++
    }
    await Promise.all([breakAndAsk(), ...Array.from({ length: CALLERS }, askForHotKey)])
    const seconds = (performance.now() - startMs) / 1_000
    expect(admitted).toBeLessThanOrEqual(CAPACITY + REFILL_PER_SECOND * seconds)
    expect(await malformedCount()).toBeGreaterThan(0)
    expect(service.output.filter(line => line.includes('circuit is open'))).toEqual([])
    await eventually(() =>
      expect(service.output.find(line => line.includes('malformed bucket'))).toContain('"key":"bad"'),
    )
  })

  it('is answered with numbers even if it contains NaN', async () => {
    const notANumber = Buffer.alloc(24)
    notANumber.writeDoubleBE(Number.NaN)
    await admin.set(bucketKeys.bucket('nan'), notANumber)
    const { status, body } = await client.check('nan', 1)
    expect([status, body.remaining, body.retryAfterMs]).toEqual([200, CAPACITY - 1, 0])
  })
})
