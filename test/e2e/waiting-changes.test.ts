import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { configPartition } from '../../src/domain/partition.ts'
import { Client } from '../support/client.ts'
import { describeWithRedis } from '../support/describe-with-redis.ts'
import { eventually } from '../support/eventually.ts'
import { samplesIn } from '../support/prometheus.ts'
import { RedisServer } from '../support/redis-server.ts'
import { Service } from '../support/service.ts'

const WAITED = `throttler_queue_first_command_seconds{partition="${configPartition('k')}"}`
const TIMEOUT_MS = 60_000
/** A process inspects the queues every two seconds, and what it has just seen can end with it. */
const LOST_SECONDS = 3

describeWithRedis('an instance whose changes wait without a worker', () => {
  let redis: RedisServer
  let api: Service
  let client: Client

  beforeAll(async () => {
    redis = await RedisServer.start()
    api = await Service.start({ kind: 'api', env: { REDIS_URL: redis.url } })
    client = new Client(api.url)
    expect((await client.request('PUT', '/config/k', { capacity: 1, refillTokens: 1 })).status).toBe(202)
    await eventually(() => expectDegraded())
  }, TIMEOUT_MS)
  afterAll(async () => {
    await api.stop()
    await redis.stop()
  })

  const expectDegraded = async () =>
    expect((await client.get('/health')).body).toMatchObject({ status: 'degraded', reason: 'no-worker' })
  const secondsWaited = async () => samplesIn((await client.get('/metrics')).text).get(WAITED) ?? Number.NaN
  const reports = () => api.output.filter(line => line.includes('changes wait, and no worker is connected'))

  it(
    'knows for how long after its front processes were replaced',
    async () => {
      const before = await secondsWaited()
      const replaced = api.says(/all front processes are replaced/)
      api.process.kill('SIGHUP')
      await replaced
      await expectDegraded()
      expect(await secondsWaited()).toBeGreaterThan(before - LOST_SECONDS)
      expect(reports()).toHaveLength(2)
    },
    TIMEOUT_MS,
  )

  it(
    'knows for how long after its front processes died',
    async () => {
      const before = await secondsWaited()
      const killed = api.pidsOf('throttler front')
      for (const pid of killed) process.kill(pid, 'SIGKILL')
      await eventually(() => {
        const pids = api.pidsOf('throttler front')
        expect(pids).toHaveLength(2)
        expect(pids.filter(pid => killed.includes(pid))).toEqual([])
      })
      await eventually(() => expectDegraded())
      expect(await secondsWaited()).toBeGreaterThan(before - LOST_SECONDS)
    },
    TIMEOUT_MS,
  )
})
