import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { Client } from '../support/client.ts'
import { describeLongWithRedis } from '../support/describe-with-redis.ts'
import { killConnections } from '../support/faults.ts'
import { RedisServer } from '../support/redis-server.ts'
import { Service } from '../support/service.ts'

const CHURN_MS = 60_000
const FAULT_PAUSE_MS = 1_000
const WRITERS = 4
/** So many keys that an export is read in several pieces. */
const STEADY = Array.from({ length: 3_000 }, (_, i) => `steady:${String(i).padStart(4, '0')}`)
const CHANGING = Array.from({ length: 200 }, (_, i) => `steady:${String(15 * i).padStart(4, '0')}-changing`)
const COMING_AND_GOING = Array.from({ length: 200 }, (_, i) => `steady:${String(15 * i).padStart(4, '0')}-passing`)
const STEADY_CAPACITY = 7

/** A value of a policy, and when it may have been current, by `performance.now()`. */
interface Value {
  readonly capacity: number
  readonly fromMs: number
  toMs: number
}

interface Export {
  readonly startMs: number
  readonly endMs: number
  readonly lines: readonly string[]
}

describeLongWithRedis('an export while policies change and connections are killed', () => {
  let redis: RedisServer
  let admin: Redis
  let service: Service
  const values = new Map<string, Value[]>(CHANGING.map(key => [key, []]))
  const exports: Export[] = []
  let cutOff = 0
  let changes = 0

  beforeAll(async () => {
    redis = await RedisServer.start()
    admin = new Redis(redis.url)
    service = await Service.start({ env: { REDIS_URL: redis.url, EVENT_LOOP_LAG_MS: '10000' } })
    const client = new Client(service.url)
    const file = STEADY.map(key => `${JSON.stringify({ key, ...policy(STEADY_CAPACITY) })}\n`).join('')
    const imported = { 'content-type': 'application/x-ndjson', prefer: 'wait=30' }
    expect((await client.request('POST', '/config/import', file, imported)).status).toBe(200)
    for (const key of CHANGING) await change(client, key)
    const endMs = performance.now() + CHURN_MS
    const writers = Array.from({ length: WRITERS }, (_, i) => churn(i, endMs))
    await Promise.all([wreakHavoc(endMs), exportAll(endMs), ...writers])
  }, CHURN_MS + 120_000)
  afterAll(async () => {
    admin.disconnect()
    await service.stop()
    await redis.stop()
  }, 30_000)

  const policy = (capacity: number) => ({ capacity, refillTokens: 1 })

  async function wreakHavoc(untilMs: number): Promise<void> {
    while (performance.now() < untilMs) {
      await sleep(FAULT_PAUSE_MS)
      await killConnections(admin)
    }
  }

  /** A change without an answer may be applied at any later time. A change with an answer outdates all earlier ones. */
  async function change(client: Client, key: string): Promise<void> {
    const value = { capacity: ++changes, fromMs: performance.now(), toMs: Number.POSITIVE_INFINITY }
    const known = values.get(key) ?? []
    values.set(key, [...known, value])
    const { status } = await client.put(key, policy(value.capacity))
    if (status !== 200 && status !== 201) return
    for (const earlier of known) earlier.toMs = Math.min(earlier.toMs, performance.now())
  }

  /** Each writer has keys of its own, so that it knows their order. */
  async function churn(number: number, untilMs: number): Promise<void> {
    const client = new Client(service.url)
    const own = (keys: readonly string[]) => keys.filter((_, i) => i % WRITERS === number)
    const [changing, passing] = [own(CHANGING), own(COMING_AND_GOING)]
    for (let i = 0; performance.now() < untilMs; i++) {
      await change(client, changing[i % changing.length] as string)
      const key = passing[i % passing.length] as string
      if (Math.floor(i / passing.length) % 2 === 0) await client.put(key, policy(1))
      else await client.delete(key)
    }
  }

  /** Exports repeatedly. An export that loses its connection to Redis is cut off, which its caller notices. */
  async function exportAll(untilMs: number): Promise<void> {
    const client = new Client(service.url)
    while (performance.now() < untilMs) {
      const startMs = performance.now()
      const answer = await client.get('/config/export').catch(() => undefined)
      if (answer?.status !== 200) cutOff++
      else exports.push({ startMs, endMs: performance.now(), lines: answer.text.split('\n').slice(0, -1) })
      await sleep(10)
    }
  }

  const parsed = ({ lines }: Export): { key: string; limits: { capacity: number }[] }[] =>
    lines.map(line => JSON.parse(line))

  it('has each permanent policy exactly once, and only complete lines', () => {
    process.stderr.write(`exports: ${exports.length} whole, ${cutOff} cut off or refused; ${changes} changes\n`)
    expect(exports.length).toBeGreaterThan(5)
    expect(changes).toBeGreaterThan(100 + CHANGING.length)
    const permanent = [...STEADY, ...CHANGING].sort()
    for (const whole of exports) {
      const keys = parsed(whole).map(({ key }) => key)
      expect(keys.join('\n')).toBe([...new Set(keys)].sort().join('\n'))
      expect(keys.filter(key => !key.endsWith('passing')).join('\n')).toBe(permanent.join('\n'))
    }
  })

  /** Whether the policy had this capacity at some moment during the export. */
  function wasCurrent(key: string, capacity: number, { startMs, endMs }: Export): boolean {
    if (key.endsWith('passing')) return capacity === 1
    const known = values.get(key)
    if (known === undefined) return capacity === STEADY_CAPACITY
    return known.some(value => value.capacity === capacity && value.fromMs <= endMs && value.toMs >= startMs)
  }

  it('has a value of each policy that was current during the export', () => {
    const outdated = exports.flatMap(whole =>
      parsed(whole).filter(({ key, limits }) => !wasCurrent(key, limits[0]?.capacity ?? 0, whole)),
    )
    expect(outdated).toEqual([])
  })
})
