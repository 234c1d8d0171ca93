import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { configPartition } from '../../src/domain/partition.ts'
import { Client } from '../support/client.ts'
import { describeLongWithRedis } from '../support/describe-with-redis.ts'
import { eventually } from '../support/eventually.ts'
import { Installation } from '../support/installation.ts'
import { obeyedByAll } from '../support/obeyed.ts'
import { isOnPath } from '../support/on-path.ts'
import { RedisServer } from '../support/redis-server.ts'
import { Service } from '../support/service.ts'
import { ShiftedClock } from '../support/shifted-clock.ts'
import { takeAndDie } from '../support/take-and-die.ts'

const ATTACK_MS = 30_000
const JUMP_INTERVAL_MS = 250
const CALLERS = 32
const MAX_TOKENS = 4
const CAPACITY = 50
const REFILL_PER_SECOND = 20

const HOUR_MS = 3_600_000
/** How long a worker's lock lasts. */
const LOCK_MS = 2_000

/** How far the clock may jump at once, in ms, and the effect on refill. */
const JUMPS: [what: string, mostMs: number][] = [
  ['by less than 10 s, which pauses refill', 9_000],
  ['by minutes, which is believed', 300_000],
]

const describeLongWithCc = isOnPath('cc') ? describeLongWithRedis : describe.skip

describeLongWithCc('a store whose clock jumps', () => {
  let clock: ShiftedClock
  let installation: Installation

  beforeAll(async () => {
    clock = new ShiftedClock()
    const env = { WEB_CONCURRENCY: '2', REDIS_TIMEOUT_MS: '5000' }
    installation = await Installation.start({ env, redisEnv: clock.env })
    const { client } = installation
    const slow = { name: 'slow', capacity: 100_000, refillTokens: 1, refillIntervalMs: 86_400_000 }
    const fast = { name: 'fast', capacity: CAPACITY, refillTokens: REFILL_PER_SECOND, refillIntervalMs: 1_000 }
    await client.put('one:*', { limits: [fast] })
    await client.put('two:*', { limits: [fast, slow] })
    await obeyedByAll([client], 'two:x', 'two:*')
  }, 60_000)
  afterAll(async () => {
    await installation.stop()
    clock.remove()
  })

  it.each(JUMPS)(
    'admits at most capacity + refill for the time by which the clock went forward, when it jumps %s',
    async (_, mostMs) => {
      const { client } = installation
      const keys = [`one:${mostMs}`, `two:${mostMs}`]
      const admitted = new Map(keys.map(key => [key, 0]))
      const startMs = performance.now()
      const isOver = () => performance.now() - startMs > ATTACK_MS
      const callers = Array.from({ length: CALLERS }, async (_, i) => {
        const [key, tokens] = [keys[i % keys.length] ?? '', 1 + (i % MAX_TOKENS)]
        while (!isOver()) {
          const { status, body } = await client.check(key, tokens)
          expect([200, 429]).toContain(status)
          expect(body.source).not.toBe('local')
          expect(body.retryAfterMs).toBeGreaterThanOrEqual(0)
          if (status === 200) admitted.set(key, (admitted.get(key) ?? 0) + tokens)
        }
      })
      let shiftMs = 0
      let forwardMs = 0
      while (!isOver()) {
        await sleep(JUMP_INTERVAL_MS)
        const next = Math.round((Math.random() * 2 - 1) * mostMs)
        forwardMs += Math.max(0, next - shiftMs)
        shiftMs = next
        clock.shiftTo(next)
      }
      await Promise.all(callers)
      clock.shiftTo(0)
      const bound = CAPACITY + (REFILL_PER_SECOND * (performance.now() - startMs + forwardMs)) / 1_000
      for (const count of admitted.values()) {
        expect(count).toBeLessThanOrEqual(bound)
        expect(count).toBeGreaterThan(CAPACITY)
      }
    },
    ATTACK_MS + 30_000,
  )
})

describeLongWithCc('a worker that dies while the clock of the policy store is an hour ahead', () => {
  it('delays the changes of its partition by seconds once the clock is right', async () => {
    const clock = new ShiftedClock()
    const redis = await RedisServer.startWith({ env: clock.env })
    const env = { REDIS_URL: redis.url, KEY_PREFIX: 'ahead', WEB_CONCURRENCY: '1' }
    const services = [await Service.start({ kind: 'api', env })]
    try {
      const client = new Client(services[0]?.url ?? '')
      clock.shiftTo(HOUR_MS)
      const { commandId } = (await client.request('PUT', '/config/k', { capacity: 1, refillTokens: 1 })).body
      const queue = { redisUrl: redis.url, keyPrefix: 'ahead', partition: configPartition('k') }
      expect(await takeAndDie(queue, LOCK_MS)).toBe(commandId)
      clock.shiftTo(0)
      services.push(await Service.start({ kind: 'worker', env }))
      await eventually(async () => {
        expect((await client.get(`/commands/${commandId}`)).body.status).toBe('applied')
      }, 30_000)
    } finally {
      for (const service of services) await service.stop()
      await redis.stop()
      clock.remove()
    }
  }, 90_000)
})
