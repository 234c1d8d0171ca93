import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { describeWithRedis } from '../support/describe-with-redis.ts'
import { Installation } from '../support/installation.ts'
import { obeyedByAll } from '../support/obeyed.ts'

const FLAPPING_MS = process.env['TEST_LONG'] === undefined ? 6_000 : 60_000
const KILL_INTERVAL_MS = 300
const PROCESSES = 4
const CALLERS = 32
const MAX_TOKENS = 4
const CAPACITY = 100
const REFILL_PER_SECOND = 10

describeWithRedis('a bucket store whose connections are killed repeatedly', () => {
  let installation: Installation

  beforeAll(async () => {
    installation = await Installation.start({ env: { WEB_CONCURRENCY: String(PROCESSES) } })
    const { client } = installation
    await client.put('flap:*', { capacity: CAPACITY, refillTokens: REFILL_PER_SECOND, refillIntervalMs: 1_000 })
    await obeyedByAll([client], 'flap:x', 'flap:*')
  })
  afterAll(() => installation.stop())

  it(
    'admits at most capacity + refill + processes × share, and each process refills its share only in outages',
    async () => {
      const { admin, client } = installation
      const startMs = performance.now()
      const isOver = () => performance.now() - startMs > FLAPPING_MS
      const admitted = { redis: 0, local: 0 }
      // The numbers of tokens differ, so that denials are not answered from memory.
      const callers = Array.from({ length: CALLERS }, async (_, caller) => {
        const tokens = 1 + (caller % MAX_TOKENS)
        while (!isOver()) {
          const { status, body } = await client.check('flap:hot', tokens)
          expect([200, 429]).toContain(status)
          if (status === 200) admitted[body.source as 'redis' | 'local'] += tokens
        }
      })
      while (!isOver()) {
        await sleep(KILL_INTERVAL_MS)
        await admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
      }
      await Promise.all(callers)
      const seconds = (performance.now() - startMs) / 1_000
      expect(admitted.local).toBeGreaterThan(0)
      expect(admitted.redis).toBeLessThanOrEqual(CAPACITY + REFILL_PER_SECOND * seconds + 1)
      expect(admitted.redis + admitted.local).toBeLessThanOrEqual(
        CAPACITY + REFILL_PER_SECOND * seconds + PROCESSES * Math.ceil(CAPACITY / PROCESSES) + 1,
      )
      if (process.env['TEST_FIGURES'] !== undefined)
        process.stderr.write(`${JSON.stringify({ ...admitted, seconds })}\n`)
    },
    FLAPPING_MS + 30_000,
  )
})
