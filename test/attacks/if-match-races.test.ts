import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { runThrottler } from '../support/cli.ts'
import { Client } from '../support/client.ts'
import { describeLongWithRedis } from '../support/describe-with-redis.ts'
import { eventually } from '../support/eventually.ts'
import { killConnections, killWorker } from '../support/faults.ts'
import { RedisServer } from '../support/redis-server.ts'
import { Service } from '../support/service.ts'

const RACE_MS = 60_000
const FAULT_PAUSE_MS = 1_500
const CLIENTS = 8
const KEYS = ['raced-a', 'raced-b', 'raced-c']

/** A change that was answered with 2xx. */
interface Win {
  readonly key: string
  readonly version: number
  readonly capacity: number
}

describeLongWithRedis('clients that race by If-Match while connections and workers are killed', () => {
  let redis: RedisServer
  let admin: Redis
  let service: Service
  const wins: Win[] = []
  const answered = new Map<number, number>()
  let capacity = 0

  beforeAll(async () => {
    redis = await RedisServer.start('--appendonly', 'yes')
    admin = new Redis(redis.url)
    service = await Service.start({ env: { REDIS_URL: redis.url, EVENT_LOOP_LAG_MS: '10000' } })
    const client = new Client(service.url)
    for (const key of KEYS) {
      expect((await client.put(key, policy(++capacity))).status).toBe(201)
      wins.push({ key, version: 1, capacity })
    }
    const endMs = performance.now() + RACE_MS
    await Promise.all([wreakHavoc(endMs), ...Array.from({ length: CLIENTS }, (_, i) => race(i, endMs))])
    await eventually(async () => {
      const queued = await Promise.all(KEYS.map(key => client.put(key, policy(++capacity), { 'if-match': '"0"' })))
      expect(queued.map(({ status }) => status)).toEqual(KEYS.map(() => 412))
    }, 30_000)
  }, RACE_MS + 60_000)
  afterAll(async () => {
    admin.disconnect()
    await service.stop()
    await redis.stop()
  }, 30_000)

  const policy = (of: number) => ({ capacity: of, refillTokens: 1 })

  async function wreakHavoc(untilMs: number): Promise<void> {
    for (let i = 0; performance.now() < untilMs; i++) {
      await sleep(FAULT_PAUSE_MS)
      if (i % 3 === 2) killWorker(service)
      else await killConnections(admin)
    }
  }

  /** Reads policies and changes each one with If-Match, as an operator's tool does. */
  async function race(number: number, untilMs: number): Promise<void> {
    const client = new Client(service.url)
    for (let i = number; performance.now() < untilMs; i++) {
      const key = KEYS[i % KEYS.length] as string
      const read = await client.get(`/config/${key}`)
      const etag = read.headers.get('etag')
      if (read.status !== 200 || etag === null) continue
      const own = ++capacity
      const { status, headers } = await client.put(key, policy(own), { 'if-match': etag })
      answered.set(status, (answered.get(status) ?? 0) + 1)
      if (status === 200) wins.push({ key, version: Number(JSON.parse(headers.get('etag') ?? '')), capacity: own })
    }
  }

  async function history(key: string): Promise<{ version: number; capacity: number; commandId: string }[]> {
    const client = new Client(service.url)
    const events = []
    for (let cursor = ''; ; ) {
      const { body } = await client.get(`/config/${key}/history?limit=1000${cursor && `&cursor=${cursor}`}`)
      for (const { version, policy, commandId } of body.events) {
        events.push({ version, capacity: policy.limits[0].capacity, commandId })
      }
      if (body.nextCursor === undefined) return events
      cursor = encodeURIComponent(body.nextCursor)
    }
  }

  it('no two of them are told that they made the same version', () => {
    process.stderr.write(`if-match races: ${JSON.stringify(Object.fromEntries(answered))}\n`)
    expect(wins.length).toBeGreaterThan(30)
    expect(answered.get(412)).toBeGreaterThan(30)
    const revisions = wins.map(({ key, version }) => `${key} ${version}`)
    expect(revisions).toHaveLength(new Set(revisions).size)
  })

  it('each acknowledged version is exactly one change, the one that was requested', async () => {
    for (const key of KEYS) {
      const events = await history(key)
      expect(events.map(({ version }) => version)).toEqual(events.map((_, i) => i + 1))
      for (const one of ['capacity', 'commandId'] as const) {
        expect(new Set(events.map(event => event[one])).size).toBe(events.length)
      }
      for (const win of wins.filter(win => win.key === key)) {
        expect(events[win.version - 1]).toMatchObject({ version: win.version, capacity: win.capacity })
      }
    }
    expect((await runThrottler(['verify'], { REDIS_URL: redis.url })).code).toBe(0)
  }, 60_000)
})
