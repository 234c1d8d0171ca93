import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, it } from '@jest/globals'
import { Client } from '../support/client.ts'
import { describeWithRedis } from '../support/describe-with-redis.ts'
import { eventually } from '../support/eventually.ts'
import { promised } from '../support/promised.ts'
import { RedisServer } from '../support/redis-server.ts'
import { Service } from '../support/service.ts'

const IS_LONG = process.env['TEST_LONG'] !== undefined
const COMMANDS = IS_LONG ? 2_000 : 400
const KEYS = 20
const WORKERS = 2
const KILL_INTERVAL_MS = 2_000
const STORM_MS = IS_LONG ? 20_000 : 6_000
/** Time limit after the last worker was killed. */
const APPLIED_WITHIN_MS = promised(15_000)
const TIMEOUT_MS = 120_000

describeWithRedis('commands while their workers are killed', () => {
  let redis: RedisServer
  let api: Service
  let client: Client
  const workers: Service[] = []

  beforeEach(async () => {
    redis = await RedisServer.start()
    api = await Service.start({ kind: 'api', env: { REDIS_URL: redis.url, WEB_CONCURRENCY: '1' } })
    client = new Client(api.url)
  })
  afterEach(async () => {
    await Promise.all([...workers.splice(0), api].map(service => service.stop()))
    await redis.stop()
  })

  const startWorker = async () => {
    workers.push(await Service.spawn({ kind: 'worker', env: { REDIS_URL: redis.url, LOG_LEVEL: 'error' } }))
  }

  /** Kills the oldest worker, and starts another one. */
  async function killOne(): Promise<void> {
    await workers.shift()?.stop('SIGKILL')
    await startWorker()
  }

  async function sendAll(): Promise<Map<string, string[]>> {
    const sent = new Map<string, string[]>()
    const pause = STORM_MS / COMMANDS
    const start = performance.now()
    for (let number = 0; number < COMMANDS; number++) {
      const key = `key-${number % KEYS}`
      sent.set(key, [...(sent.get(key) ?? []), await accepted(key, number)])
      await sleep(Math.max(0, start + number * pause - performance.now()))
    }
    return sent
  }

  /** Repeats a change until it is accepted, since a busy machine may refuse it. */
  async function accepted(key: string, number: number): Promise<string> {
    const policy = { capacity: number + 1, refillTokens: 1 }
    const headers = { 'idempotency-key': `number-${number}` }
    return eventually(async () => {
      const { status, body } = await client.request('PUT', `/config/${key}`, policy, headers)
      expect([status, body.code]).toEqual([202, undefined])
      return body.commandId
    })
  }

  async function eventsOf(key: string): Promise<{ version: number; commandId: string; policy: unknown }[]> {
    const { status, body } = await client.get(`/config/${key}/history?limit=1000`)
    return status === 404 ? [] : body.events
  }

  const keys = Array.from({ length: KEYS }, (_, i) => `key-${i}`)
  const applied = async () => (await Promise.all(keys.map(eventsOf))).flat().length

  it(
    'are each applied once, in order',
    async () => {
      await Promise.all(Array.from({ length: WORKERS }, startWorker))
      const progress: number[] = []
      let isStormy = true
      const storm = (async () => {
        while (isStormy) {
          await sleep(KILL_INTERVAL_MS)
          progress.push(await applied())
          await killOne()
        }
      })()
      const sent = await sendAll()
      isStormy = false
      await storm
      await eventually(async () => expect(await applied()).toBe(COMMANDS), APPLIED_WITHIN_MS)

      for (const [i, key] of keys.entries()) {
        const events = await eventsOf(key)
        expect(events.map(({ commandId }) => commandId)).toEqual(sent.get(key))
        expect(events.map(({ version }) => version)).toEqual(events.map((_, n) => n + 1))
        const capacities = events.map(({ policy }) => (policy as { limits: [{ capacity: number }] }).limits[0].capacity)
        expect(capacities).toEqual(events.map((_, n) => n * KEYS + i + 1))
      }
      // Commands were also applied during the storm.
      expect(progress.at(-1)).toBeGreaterThan(progress[0] ?? 0)
    },
    TIMEOUT_MS,
  )
})
