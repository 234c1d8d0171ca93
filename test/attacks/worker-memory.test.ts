import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { commandId } from '../../src/domain/command-id.ts'
import { BullCommandQueue } from '../../src/queues/command-queue.ts'
import { describeLong } from '../support/describe-long.ts'
import { RedisServer } from '../support/redis-server.ts'
import { Service } from '../support/service.ts'

/** How long the test runs; `TEST_MINUTES=60` for a whole hour. */
const MINUTES = Number(process.env['TEST_MINUTES'] ?? 10)
/** The minute by which memory has reached its final size. */
const REFERENCE_MINUTE = Math.min(20, 0.4 * MINUTES)
const MAX_GROWTH = 1.05

const CHANGES_PER_SECOND = 200
const TICK_MS = 50
const KEYS = 500
const KEEP_EVENTS = '1000'
const KEY_PREFIX = 'throttler'

describeLong('the memory of a worker under constant changes', () => {
  let redis: RedisServer
  let client: Redis
  let queue: BullCommandQueue
  let worker: Service

  beforeEach(async () => {
    redis = await RedisServer.start()
    client = new Redis(redis.url, { maxRetriesPerRequest: null })
    queue = new BullCommandQueue(client, KEY_PREFIX)
    const env = { REDIS_URL: redis.url, KEY_PREFIX, CONFIG_LOG_KEEP: KEEP_EVENTS, COMMAND_RETENTION_MS: '1000' }
    worker = await Service.start({ kind: 'worker', env: { ...env, LOG_LEVEL: 'info' } })
    worker.output.length = 0
  }, 30_000)
  afterEach(async () => {
    await worker.stop('SIGKILL')
    await queue.close()
    client.disconnect()
    await redis.stop()
  }, 30_000)

  /** The resident memory of the worker, in MB. */
  function residentMemory(): number {
    const status = readFileSync(`/proc/${worker.process.pid}/status`, 'utf8')
    return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024
  }

  function change(number: number): Promise<void> {
    const key = `key:${number % KEYS}`
    const limit = { name: 'default', capacity: 1 + (number % 997), refillTokens: 1, refillIntervalMs: 1000 }
    const id = commandId(key, randomUUID())
    return queue.add({ id, type: 'put', key, actor: 'ops', policy: { limits: [limit], mode: 'off' } })
  }

  it(
    'does not grow after it has reached its final size',
    async () => {
      /** The samples of each minute. */
      const minutes: number[][] = []
      const startMs = performance.now()
      for (let sent = 0; ; ) {
        const elapsedMs = performance.now() - startMs
        const minute = Math.floor(elapsedMs / 60_000)
        if (minute >= MINUTES) break
        const changes: Promise<void>[] = []
        while (sent < (elapsedMs / 1000) * CHANGES_PER_SECOND) changes.push(change(sent++))
        await Promise.all([...changes, sleep(TICK_MS)])
        minutes[minute] = [...(minutes[minute] ?? []), residentMemory()]
        worker.output.length = 0
      }
      const medians = minutes.map(samples => samples.sort((a, b) => a - b)[samples.length >> 1] ?? 0)
      if (process.env['TEST_FIGURES'] !== undefined) {
        process.stdout.write(`MB resident, minute by minute: ${medians.map(Math.round).join(' ')}\n`)
      }
      const reference = medians[Math.ceil(REFERENCE_MINUTE) - 1] ?? 0
      expect(medians.at(-1)).toBeLessThanOrEqual(MAX_GROWTH * reference)
      // No command failed, so all of them did their work.
      expect(await queue.countJobs()).toMatchObject({ failed: 0 })
    },
    (MINUTES + 2) * 60_000,
  )
})
