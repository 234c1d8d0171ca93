import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { CheckLoad } from '../support/check-load.ts'
import { Client } from '../support/client.ts'
import { Envoy } from '../support/envoy.ts'
import { describeLongWithEnvoy } from '../support/programs.ts'
import { RedisServer } from '../support/redis-server.ts'
import { Service } from '../support/service.ts'

const RATE_PER_SECOND = 500
/** In a process that has just started, the first calls take longer than 20 ms. */
const WARM_UP_MS = 5_000
const PART_MS = 10_000
const ENDLESS = { capacity: 1_000_000, refillTokens: 1_000_000, onStoreFailure: 'local' }

describeLongWithEnvoy('the real Envoy, which waits for 20 ms', () => {
  let buckets: RedisServer
  let config: RedisServer
  let service: Service
  let envoy: Envoy
  beforeAll(async () => {
    buckets = await RedisServer.start()
    config = await RedisServer.start()
    service = await Service.start({
      env: { REDIS_URL: buckets.url, CONFIG_REDIS_URL: config.url, GRPC_PORT: '0' },
    })
    await new Client(service.url).put('rls;edge;masked_remote_address', ENDLESS)
    envoy = await Envoy.start({ grpcPorts: [service.grpcPort], timeout: '0.02s' })
  })
  afterAll(async () => {
    await envoy.stop()
    await service.stop()
    await Promise.all([buckets.stop(), config.stop()])
  })

  it.each([
    ['hangs', () => buckets.signal('SIGSTOP'), () => buckets.signal('SIGCONT')],
    ['is killed', () => buckets.kill(), () => buckets.restart()],
  ] as const)(
    'sees no error while the bucket store %s',
    async (_name, harm, restore) => {
      const load = new CheckLoad({
        urls: [envoy.url],
        ratePerSecond: RATE_PER_SECOND,
        keyOf: String,
        requestOf: () => ['/', {}],
      })
      await load.runsFor(WARM_UP_MS)
      const before = await envoy.counts()
      await load.runsFor(PART_MS)
      await harm()
      await load.runsFor(PART_MS)
      await restore()
      await load.runsFor(PART_MS)
      const samples = await load.stop()
      const after = await envoy.counts()
      expect(samples.filter(({ status }) => status !== 200)).toEqual([])
      expect(after['error'] ?? 0).toBe(before['error'] ?? 0)
      // The last ones may still be under way.
      const sent = (3 * PART_MS * RATE_PER_SECOND) / 1_000
      expect((after['ok'] ?? 0) - (before['ok'] ?? 0)).toBeGreaterThan(0.99 * sent)
    },
    120_000,
  )
})
