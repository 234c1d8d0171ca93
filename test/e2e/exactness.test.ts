import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { serverTimeMs } from '../../src/redis/connection/server-time.ts'
import { describeWithRedis } from '../support/describe-with-redis.ts'
import { Installation } from '../support/installation.ts'
import { obeyedByAll } from '../support/obeyed.ts'
import { samplesIn } from '../support/prometheus.ts'

const IS_LONG = process.env['TEST_LONG'] !== undefined
const HAMMERING_MS = IS_LONG ? 10_000 : 1_500
const PROCESSES = IS_LONG ? 4 : 2
const CALLERS = IS_LONG ? 200 : 64

/** Policies, and how many tokens are asked for. */
const WAITS: [what: string, policy: unknown, tokens: number][] = [
  ['a token', { capacity: 1, refillTokens: 1, refillIntervalMs: 300 }, 1],
  ['tokens that do not come back in whole milliseconds', { capacity: 5, refillTokens: 3, refillIntervalMs: 700 }, 2],
  ['a token of two limits', { limits: [limit('fast', 3, 100), limit('slow', 2, 350)] }, 1],
]

function limit(name: string, capacity: number, refillIntervalMs: number) {
  return { name, capacity, refillTokens: 1, refillIntervalMs }
}

describeWithRedis('limits that two instances with several processes each share', () => {
  /** Policies are in a store of their own, so that only checks are counted in the bucket store. */
  let installation: Installation
  beforeAll(async () => {
    installation = await Installation.start({ apis: 2, env: { WEB_CONCURRENCY: String(PROCESSES) } })
  })
  afterAll(() => installation.stop())

  const clientOf = (caller: number) => installation.clientOf(caller)

  /** Resolves once every process obeys the policy. Nothing is spent. */
  async function policyIs(key: string, policy: unknown): Promise<void> {
    expect((await clientOf(0).put(key, policy)).status).toBe(201)
    await obeyedByAll(installation.clients, key, key)
  }

  const everyCaller = (act: (caller: number) => Promise<void>) =>
    Promise.all(Array.from({ length: CALLERS }, (_, caller) => act(caller)))

  it('admit exactly the tokens of one key under heavy load', async () => {
    const [capacity, perSecond] = [100, 25]
    const refilled = (ms: number) => Math.floor((perSecond * ms) / 1_000)
    await policyIs('hammered', { capacity, refillTokens: perSecond, refillIntervalMs: 1_000 })
    let allowed = 0
    const ask = async (caller: number) => {
      const { status } = await clientOf(caller).check('hammered')
      if (status === 200) allowed++
      else expect(status).toBe(429)
    }

    const from = await serverTimeMs(installation.admin)
    await everyCaller(ask)
    // From here on the bucket is never full, even if all callers are paused for two seconds. So every refilled token can be spent.
    const underWay = await serverTimeMs(installation.admin)
    const end = performance.now() + HAMMERING_MS
    // The callers continue if they were paused for most of that time.
    const enough = capacity + refilled(HAMMERING_MS / 2)
    await everyCaller(async caller => {
      while (performance.now() < end || allowed < enough) await ask(caller)
    })
    const until = await serverTimeMs(installation.admin)
    const { remaining } = (await clientOf(0).check('hammered', 0)).body
    const by = await serverTimeMs(installation.admin)

    expect(allowed + remaining).toBeLessThanOrEqual(capacity + refilled(by - from))
    expect(allowed + remaining).toBeGreaterThanOrEqual(capacity + refilled(until - underWay))
  })

  /** Checks repeatedly until the store denies. Resolves with the waiting time, and with a time just before that check. */
  async function denial(key: string, tokens: number): Promise<{ fromMs: number; retryAfterMs: number }> {
    for (;;) {
      const fromMs = await serverTimeMs(installation.admin)
      const { body } = await clientOf(0).check(key, tokens)
      if (!body.allowed && body.source === 'redis') return { fromMs, retryAfterMs: body.retryAfterMs }
    }
  }

  it.each(WAITS)('allow an only caller that waits exactly retryAfterMs for %s', async (what, policy, tokens) => {
    await policyIs(`waiting for ${what}`, policy)
    for (let i = 0; i < 3; i++) {
      const { retryAfterMs } = await denial(`waiting for ${what}`, tokens)
      const receivedAt = performance.now()
      expect(retryAfterMs).toBeGreaterThan(0)
      while (performance.now() < receivedAt + retryAfterMs) await sleep(1)
      expect((await clientOf(0).check(`waiting for ${what}`, tokens)).status).toBe(200)
    }
  })

  it.each(WAITS)('allow no check earlier, however often %s is requested', async (what, policy, tokens) => {
    await policyIs(`impatient for ${what}`, policy)
    for (let i = 0; i < 3; i++) {
      const { fromMs, retryAfterMs } = await denial(`impatient for ${what}`, tokens)
      while ((await clientOf(0).check(`impatient for ${what}`, tokens)).status !== 200);
      expect((await serverTimeMs(installation.admin)) - fromMs).toBeGreaterThanOrEqual(retryAfterMs)
    }
  })

  it('allow a drained key again in every process within a second of its reset', async () => {
    await policyIs('drained', { capacity: 20, refillTokens: 1, refillIntervalMs: 1_000_000 })
    const statuses = await Promise.all(Array.from({ length: 60 }, (_, i) => clientOf(i).check('drained')))
    expect(statuses.filter(({ status }) => status === 200)).toHaveLength(20)
    expect((await clientOf(1).request('DELETE', '/buckets/drained')).status).toBe(204)
    await sleep(1_000)
    const again = await Promise.all(Array.from({ length: 20 }, (_, i) => clientOf(i).check('drained')))
    expect(again.map(({ status }) => status)).toEqual(Array(20).fill(200))
  })

  it('cost Redis one call per process and second during a flood on a denied key', async () => {
    await policyIs('flooded', { capacity: 1, refillTokens: 1, refillIntervalMs: 2_000_000_000 })
    const floodFor = (ms: number) => {
      const end = performance.now() + ms
      return everyCaller(async caller => {
        while (performance.now() < end) await clientOf(caller).check('flooded')
      })
    }
    await floodFor(300)
    const before = await storeCalls()
    const start = performance.now()
    await floodFor(3_000)
    const seconds = (performance.now() - start) / 1_000
    // Each process may have asked just before and just after the counted seconds.
    const processes = 2 * PROCESSES
    expect((await storeCalls()) - before).toBeLessThanOrEqual(processes * (Math.ceil(seconds) + 1))
  })

  /** Calls of the bucket store for checks, of all instances. */
  async function storeCalls(): Promise<number> {
    const scrapes = await Promise.all(installation.clients.map(client => client.get('/metrics')))
    const counts = scrapes.map(({ text }) => samplesIn(text).get('throttler_store_batch_size_count') ?? 0)
    return counts.reduce((sum, count) => sum + count, 0)
  }
})
