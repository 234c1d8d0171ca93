import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { CheckLoad } from '../support/check-load.ts'
import { Client } from '../support/client.ts'
import { describeLong } from '../support/describe-long.ts'
import { eventually } from '../support/eventually.ts'
import { obeyedByAll } from '../support/obeyed.ts'
import { isAlive } from '../support/processes.ts'
import { promised } from '../support/promised.ts'
import { RedisServer } from '../support/redis-server.ts'
import { Service } from '../support/service.ts'

const CHAOS_MS = 60_000
const PAUSE_MS = 2_000
const CAPACITY = 1_000
const PARTITIONS = [0, 1, 2, 3]

describeLong('while something is killed every two seconds for a minute', () => {
  let redis: RedisServer
  let admin: Redis
  let service: Service
  let client: Client
  let pids: readonly number[]
  const kills = { front: 0, worker: 0, redis: 0, subscribers: 0 }
  const accepted: string[] = []
  let refused = 0
  let load: CheckLoad

  beforeAll(async () => {
    redis = await RedisServer.start('--appendonly', 'yes', '--appendfsync', 'always')
    admin = new Redis(redis.url, { retryStrategy: () => 50 })
    admin.on('error', () => undefined)
    service = await Service.start({
      env: { REDIS_URL: redis.url, SHUTDOWN_TIMEOUT_MS: '4000', EVENT_LOOP_LAG_MS: '10000' },
    })
    client = new Client(service.url)
    await client.put('limited', { capacity: CAPACITY, refillTokens: 1, refillIntervalMs: 86_400_000 })
    await obeyedByAll([client], 'limited', 'limited')
    load = new CheckLoad({ urls: [service.url], ratePerSecond: 200, keyOf: () => 'limited' })
    await Promise.all([wreakHavoc(performance.now() + CHAOS_MS), changePolicies(performance.now() + CHAOS_MS)])
    await load.stop()
    await eventually(async () => expect((await client.get('/health')).body.status).toBe('ok'))
  }, CHAOS_MS + 60_000)
  afterAll(async () => {
    admin.disconnect()
    await service.stop()
    await redis.stop()
  })

  async function wreakHavoc(untilMs: number): Promise<void> {
    const victims = Object.keys(kills) as (keyof typeof kills)[]
    while (performance.now() < untilMs) {
      await sleep(PAUSE_MS)
      const victim = victims[Math.floor(Math.random() * victims.length)] as keyof typeof kills
      kills[victim]++
      if (victim === 'redis') await redis.kill().then(() => redis.restart())
      else if (victim === 'subscribers') await admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
      else for (const pid of service.pidsOf(`throttler ${victim}`).slice(0, 1)) process.kill(pid, 'SIGKILL')
    }
  }

  async function changePolicies(untilMs: number): Promise<void> {
    for (let n = 1; performance.now() < untilMs; n++) {
      try {
        const answer = await client.request('PUT', `/config/changed-${n % 20}`, { capacity: n, refillTokens: 1 })
        if (answer.status === 202) accepted.push(answer.body.commandId)
        else refused++
      } catch {
        refused++
      }
      await sleep(20)
    }
  }

  /** A key's events as the log has them: version and capacity. */
  async function loggedEvents(): Promise<Map<string, { version: number; capacity: number }[]>> {
    const events = new Map<string, { version: number; capacity: number }[]>()
    for (const partition of PARTITIONS) {
      for (const [, fields] of await admin.xrange(`{throttler:config-${partition}}:log`, '-', '+')) {
        const { key, version, policy } = JSON.parse(fields[1] ?? '')
        events.set(key, [...(events.get(key) ?? []), { version, capacity: policy.limits[0].capacity }])
      }
    }
    return events
  }

  it('every accepted change ends', async () => {
    expect(accepted.length).toBeGreaterThan(100)
    const outcomes = await eventually(async () => {
      const answers = await Promise.all(accepted.map(id => client.get(`/commands/${id}`)))
      const statuses = answers.map(({ body }) => body.status)
      expect(statuses.filter(status => !['applied', 'rejected', 'failed'].includes(status))).toEqual([])
      return statuses
    })
    const count = (wanted: string) => outcomes.filter(status => status === wanted).length
    process.stderr.write(
      `chaos: ${JSON.stringify(kills)}; changes: ${accepted.length} accepted, ${count('applied')} applied, ` +
        `${count('rejected')} rejected, ${count('failed')} failed, ${refused} refused\n`,
    )
  })

  it("the log has each key's versions without a gap, and the projection matches it", async () => {
    for (const [key, events] of await loggedEvents()) {
      expect(events.map(({ version }) => version)).toEqual(events.map((_, i) => i + 1))
      const { version, limits } = (await client.get(`/config/${key}`)).body
      expect({ version, capacity: limits[0].capacity }).toEqual(events.at(-1))
    }
  })

  it('no more is admitted than the limits allow', () => {
    const { samples } = load
    const admittedBy = (source: string) => samples.filter(s => s.status === 200 && s.source === source).length
    const [byRedis, local] = [admittedBy('redis'), admittedBy('local')]
    const failed = samples.filter(({ status }) => status === 0).length
    process.stderr.write(
      `chaos: ${samples.length} checks, ${byRedis} admitted by Redis, ${local} locally, ${failed} cut off\n`,
    )
    expect(samples.filter(({ status }) => ![0, 200, 429].includes(status))).toEqual([])
    expect(byRedis).toBeLessThanOrEqual(CAPACITY)
    // In each outage both processes have their share, and a process that replaces another has a new one.
    expect(local).toBeLessThanOrEqual((kills.redis * 2 + kills.front) * (CAPACITY / 2))
    // Only checks in flight in a killed front process got no answer.
    expect(failed).toBeLessThanOrEqual(kills.front * 50)
  })

  it('SIGTERM ends every process and every connection to Redis within 5 s', async () => {
    pids = service.pids
    const start = performance.now()
    expect(await service.stop()).toBe(0)
    expect(performance.now() - start).toBeLessThan(promised(5_000))
    expect(pids.filter(isAlive)).toEqual([])
    const clients = String(await admin.client('LIST'))
      .trim()
      .split('\n')
    expect(clients).toHaveLength(1)
  })
})
