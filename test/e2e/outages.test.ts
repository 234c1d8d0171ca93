import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { CheckLoad, expectInTime, reportFigures, type Sample, summarize } from '../support/check-load.ts'
import { Client } from '../support/client.ts'
import { describeLong } from '../support/describe-long.ts'
import { describeWithRedis } from '../support/describe-with-redis.ts'
import { eventually } from '../support/eventually.ts'
import { obeyedByAll } from '../support/obeyed.ts'
import { residentMegabytes } from '../support/processes.ts'
import { samplesIn } from '../support/prometheus.ts'
import { RedisServer } from '../support/redis-server.ts'
import { Service } from '../support/service.ts'

const IS_LONG = process.env['TEST_LONG'] !== undefined
const CHECKS_PER_SECOND = IS_LONG ? 2_000 : 500
const OUTAGE_MS = IS_LONG ? 5_000 : 1_200
/** The time after an outage within which the store must decide again. */
const RETURN_MS = 2_000
/** The default in a long run, whose bounds depend on this timeout. */
const TIMEOUT_MS = IS_LONG ? 100 : 500
/** The share of checks of a long run that may time out because other work slows the machine down. */
const NOISE = 0.05
const VAST = { capacity: 1_000_000_000, refillTokens: 1_000_000, refillIntervalMs: 1 }
/** Errors of a store that does not reply. If it does not for a second, its connection is closed. */
const WITHOUT_REPLY = /reason="(timeout|connection-lost)"/
const POLICIES = ['local', 'allow', 'deny'] as const

describeWithRedis('under a steady load of checks', () => {
  let redis: RedisServer
  let configRedis: RedisServer
  let admin: Redis
  let api: Service
  let worker: Service
  let client: Client

  beforeAll(async () => {
    redis = await RedisServer.start('--maxmemory-policy', 'noeviction')
    configRedis = await RedisServer.start()
    admin = new Redis(redis.url, { retryStrategy: () => 50 })
    admin.on('error', () => undefined)
    const env = { REDIS_URL: redis.url, CONFIG_REDIS_URL: configRedis.url, REDIS_TIMEOUT_MS: String(TIMEOUT_MS) }
    api = await Service.start({ kind: 'api', env })
    worker = await Service.start({ kind: 'worker', env })
    client = new Client(api.url)
    for (const onStoreFailure of POLICIES) {
      await client.put(`${onStoreFailure}:*`, { ...VAST, onStoreFailure })
      await obeyedByAll([client], `${onStoreFailure}:x`, `${onStoreFailure}:*`)
    }
  })
  afterAll(async () => {
    admin.disconnect()
    await Promise.all([api.stop(), worker.stop()])
    await Promise.all([redis.stop(), configRedis.stop()])
  })

  function startLoad(): CheckLoad {
    return new CheckLoad({
      urls: [api.url],
      ratePerSecond: CHECKS_PER_SECOND,
      keyOf: n => `${POLICIES[n % POLICIES.length]}:${n % 1_000}`,
    })
  }

  /**
   * Resolves with the checks before, during and after a fault, and with the time at which it was repaired.
   * @param sources those of the decisions that the fault causes; it lasts until there are some of each
   */
  async function during(inflict: () => Promise<unknown>, mend: () => Promise<unknown>, sources: string[] = []) {
    const load = startLoad()
    try {
      await load.runsFor(500)
      await inflict()
      await load.runsFor(OUTAGE_MS)
      await eventually(() => expect(sourcesOf(load.samples)).toEqual(expect.arrayContaining(sources)))
      await mend()
      const mendedAtMs = performance.now()
      if (IS_LONG) await load.runsFor(RETURN_MS + 1_000)
      else await eventually(() => expectDecidedByRedis(load.samples.filter(({ at }) => at > mendedAtMs)))
      return { samples: load.samples, mendedAtMs }
    } finally {
      await load.stop()
    }
  }

  /** Expects that Redis decided all checks of the last half a second. */
  function expectDecidedByRedis(samples: readonly Sample[]): void {
    const last = samples.slice(-CHECKS_PER_SECOND / 2)
    expect(last).toHaveLength(CHECKS_PER_SECOND / 2)
    expect(shareWithoutRedis(last)).toBe(0)
  }

  function expectWellBehaved(samples: readonly Sample[], mendedAtMs: number): void {
    expect(samples.filter(({ status }) => status === 0)).toEqual([])
    const statuses = (policy: string) =>
      new Set(samples.filter(({ key }) => key.startsWith(policy)).map(({ status }) => status))
    expect([...statuses('local'), ...statuses('allow')]).toEqual([200, 200])
    expect([...statuses('deny')].filter(status => status !== 200 && status !== 503)).toEqual([])
    reportFigures(`${expect.getState().currentTestName}`, samples, mendedAtMs)
    expectInTime(samples)
    if (!IS_LONG) return
    const late = samples.filter(({ at }) => at > mendedAtMs + RETURN_MS)
    expect(shareWithoutRedis(late)).toBeLessThanOrEqual(NOISE)
    expect(summarize(samples).maxMs).toBeLessThanOrEqual(2 * (TIMEOUT_MS + 50))
  }

  /** How many calls of the bucket store have failed, by reason. */
  async function storeErrors(): Promise<ReadonlyMap<string, number>> {
    const { text } = await client.get('/metrics')
    return new Map([...samplesIn(text)].filter(([series]) => series.startsWith('throttler_store_errors_total')))
  }

  function sourcesOf(samples: readonly Sample[]): string[] {
    return [...new Set(samples.map(({ source }) => source))].toSorted()
  }

  function shareWithoutRedis(samples: readonly Sample[]): number {
    return samples.filter(({ source }) => source !== 'redis').length / samples.length
  }

  const faults = [
    { fault: 'is killed', inflict: () => redis.kill(), mend: () => redis.restart() },
    { fault: 'hangs', inflict: async () => redis.signal('SIGSTOP'), mend: async () => redis.signal('SIGCONT') },
    {
      fault: 'has no memory left',
      inflict: () => admin.config('SET', 'maxmemory', '1'),
      mend: () => admin.config('SET', 'maxmemory', '0'),
    },
  ]

  it.each(faults)(
    'only checks with deny fail, and none waits long, while Redis $fault; then Redis decides again',
    async ({ inflict, mend }) => {
      const withoutRedis = ['local', 'none', 'outage']
      const { samples, mendedAtMs } = await during(inflict, mend, withoutRedis)
      expectWellBehaved(samples, mendedAtMs)
      expect(sourcesOf(samples)).toEqual([...withoutRedis, 'redis'])
    },
  )

  it('no check fails or is decided without Redis when scripts are flushed', async () => {
    const before = await storeErrors()
    const { samples, mendedAtMs } = await during(
      () => admin.script('FLUSH'),
      () => admin.script('FLUSH'),
    )
    expectWellBehaved(samples, mendedAtMs)
    const errors = [...(await storeErrors())].flatMap(([series, count]) =>
      count > (before.get(series) ?? 0) ? series : [],
    )
    // Calls and checks can time out on a slow machine. A lost script is an error that Redis replies at once.
    expect(errors.filter(series => !WITHOUT_REPLY.test(series))).toEqual([])
    const refused = samples.filter(({ source, latencyMs }) => source !== 'redis' && latencyMs < TIMEOUT_MS)
    if (errors.length === 0) expect(refused).toEqual([])
    if (IS_LONG) expect(shareWithoutRedis(samples)).toBeLessThanOrEqual(NOISE)
  })

  it('only checks with deny fail when connections are cut', async () => {
    const cut = () => admin.call('CLIENT', 'KILL', 'TYPE', 'normal')
    const { samples, mendedAtMs } = await during(cut, cut)
    expectWellBehaved(samples, mendedAtMs)
  })

  it('logs the outage with its reason and the recovery, each once for each process', async () => {
    const from = api.output.length
    const openingsBefore = openingsIn((await client.get('/metrics')).text)
    /** Sends each check on a new connection, so that every process gets some. */
    const lone = new Client(api.url, { connection: 'close' })
    await redis.kill()
    await eventually(async () => {
      await Promise.all(Array.from({ length: 40 }, () => lone.check('local:1')))
      const said = api.output.slice(from).filter(line => line.includes('the circuit is open'))
      expect(said).toHaveLength(2)
      for (const line of said) {
        expect(JSON.parse(line)).toMatchObject({
          reason: 'connection-lost',
          detail: expect.stringMatching(/connection/),
        })
        expect(line).not.toMatch(/stack|enableOfflineQueue/)
      }
    })
    await eventually(async () => {
      const health = (await client.get('/health')).body
      expect(health).toMatchObject({ status: 'degraded', store: 'down', configStore: 'up', reason: 'connection-lost' })
      const metrics = (await client.get('/metrics')).text
      expect(metrics).toMatch(/^throttler_circuit_state [12]$/m)
      expect(openingsIn(metrics) - openingsBefore).toBe(2)
      expect(metrics).toMatch(/^throttler_store_errors_total\{reason="connection-lost"\} [1-9]/m)
    })
    await Promise.all(Array.from({ length: 100 }, () => lone.check('local:1')))
    // Further probes must not be logged.
    await sleep(600)

    await redis.restart()
    await eventually(() => {
      const said = api.output.slice(from)
      expect(said.filter(line => line.includes('the circuit is closed'))).toHaveLength(2)
      expect(said.filter(line => line.includes('the circuit is open'))).toHaveLength(2)
    })
    await eventually(async () => {
      expect((await client.get('/metrics')).text).toMatch(/^throttler_circuit_state 0$/m)
      expect((await client.get('/health')).body).not.toHaveProperty('reason')
    })
  })

  describeLong('for minutes', () => {
    it('no process grows by more than a fifth after its first minute', async () => {
      const load = startLoad()
      await load.runsFor(60_000)
      const pids = api.pids
      const before = pids.map(residentMegabytes)
      for (const { inflict, mend } of [...faults, ...faults]) {
        await inflict()
        await load.runsFor(OUTAGE_MS)
        await mend()
        await load.runsFor(RETURN_MS + 1_000)
      }
      await load.stop()
      const growth = pids.map((pid, i) => residentMegabytes(pid) / (before[i] ?? 1))
      process.stderr.write(`MiB after a minute ${before.map(Math.round)}, grown to ${growth.map(g => g.toFixed(2))}\n`)
      expect(Math.max(...growth)).toBeLessThanOrEqual(1.2)
    }, 240_000)
  })
})

/** How often circuits opened because connections were lost. */
function openingsIn(text: string): number {
  return samplesIn(text).get('throttler_circuit_openings_total{reason="connection-lost"}') ?? Number.NaN
}
