import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { CONFIG_PARTITIONS } from '../../src/domain/partition.ts'
import { Client } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { freePort } from '../support/free-port.ts'
import {
  checksIn,
  describeWithPrometheus,
  fallenIn,
  growingIn,
  lintedByPromtool,
  Prometheus,
  samplesIn,
  scraping,
} from '../support/prometheus.ts'
import { Service } from '../support/service.ts'

const POLICY = { capacity: 5, refillTokens: 1 }
const BATCH = 1_000

let service: Service
let client: Client
let workerUrl: string
beforeAll(async () => {
  const port = await freePort()
  workerUrl = `http://127.0.0.1:${port}`
  const env = { WEB_CONCURRENCY: '2', WORKER_METRICS_PORT: String(port), REDIS_TIMEOUT_MS: '20000' }
  service = await Service.start({ env })
  client = new Client(service.url)
})
afterAll(() => service.stop())

/** Scrapes on a new connection, so that any process may answer. */
async function scrape(): Promise<string> {
  return (await client.request('GET', '/metrics', undefined, { connection: 'close' })).text
}

/** Scrapes once the queues are known: a front process inspects them two seconds after its start, and a store that pauses is left out. */
function scrapeWithQueues(): Promise<string> {
  return eventually(async () => {
    const text = await scrape()
    expect(text).toContain('\nthrottler_queue_jobs{state="waiting"}')
    expect(text).toContain(`\nthrottler_queue_first_command_seconds{partition="${CONFIG_PARTITIONS - 1}"}`)
    return text
  })
}

async function check(keys: readonly string[]): Promise<void> {
  const { status } = await client.request('POST', '/check/batch', { checks: keys.map(key => ({ key })) })
  expect(status).toBe(200)
}

describe('/metrics', () => {
  it('counts the checks of all front processes, whichever answers', async () => {
    const before = checksIn(await scrape())
    const asked = Array.from({ length: 400 }, (_, i) =>
      client.request('POST', '/check', { key: `counted:${i % 50}` }, { connection: 'close' }),
    )
    await Promise.all(asked)
    for (let i = 0; i < 6; i++) expect(checksIn(await scrape())).toBe(before + 400)
    expect(samplesIn(await scrape()).get('throttler_front_processes')).toBe(2)
  })

  it('has no additional series for additional keys', async () => {
    await check(['series:0'])
    const series = async () =>
      [...samplesIn(await scrapeWithQueues()).keys()].filter(name => name.startsWith('throttler_'))
    const before = await series()
    for (let batch = 0; batch < 20; batch++) {
      await check(Array.from({ length: BATCH }, (_, i) => `series:${batch}:${i}`))
    }
    expect(await series()).toEqual(before)
    expect(await scrape()).not.toContain('series:')
  })

  it('counts jobs by state', async () => {
    await client.put('counted', POLICY)
    await client.put('counted', { ...POLICY, capacity: 6 })
    await client.put('counted', POLICY, { 'if-match': '"1"' })
    await client.delete('counted')
    // A change is reported as applied before its job is completed.
    await eventually(async () => {
      const samples = samplesIn(await scrape())
      expect(samples.get('throttler_queue_jobs{state="completed"}')).toBe(4)
      expect(samples.get('throttler_queue_jobs{state="waiting"}')).toBe(0)
    })
  })

  it('lets no counter fall when front processes and the worker are replaced', async () => {
    const before = growingIn(await scrape())
    const replaced = service.says(/all front processes are replaced/)
    service.process.kill('SIGHUP')
    await replaced
    const [worker = 0] = service.pidsOf('throttler worker')
    process.kill(worker, 'SIGKILL')
    await eventually(() => expect(service.pidsOf('throttler worker')).not.toContain(worker))
    expect((await client.put('after', POLICY)).status).toBe(201)

    const after = growingIn(await scrape())
    expect(fallenIn(before, after)).toEqual([])
    // A process that leaves asks the store nothing more.
    expect(after.get('throttler_store_errors_total{reason="connection-lost"}')).toBe(0)
    expect(after.get('throttler_process_replacements_total{process="worker",reason="killed"}')).toBe(1)
    expect(before.size).toBeGreaterThan(50)
  })

  it('counts replacements by the kind of process and the reason', async () => {
    const kinds = ['front', 'worker', 'store']
    const replacements = async (reason: string) => {
      const samples = samplesIn(await scrape())
      return kinds.map(kind =>
        samples.get(`throttler_process_replacements_total{process="${kind}",reason="${reason}"}`),
      )
    }
    const [crashed, killed = []] = await Promise.all([replacements('crashed'), replacements('killed')])
    expect([crashed, await replacements('hung')]).toEqual([kinds.map(() => 0), kinds.map(() => 0)])
    for (const kind of kinds) process.kill(service.pidsOf(`throttler ${kind}`)[0] ?? 0, 'SIGKILL')
    const oneMore = killed.map((count = Number.NaN) => count + 1)
    await eventually(async () => expect(await replacements('killed')).toEqual(oneMore))
    expect(await replacements('crashed')).toEqual(crashed)
  })

  it('keeps the replacements that the supervisor counted when the primary is replaced', async () => {
    const ofSupervisor = (text: string) =>
      [...growingIn(text)].filter(([name]) => /^throttler_process_.*"(worker|store)"/.test(name))
    const before = ofSupervisor(await scrape())
    expect(before.filter(([, count]) => count > 0)).not.toEqual([])
    const [primary = 0] = service.pidsOf('throttler primary')
    process.kill(primary, 'SIGKILL')
    await eventually(() => expect(service.pidsOf('throttler primary')).not.toContain(primary))
    const text = await eventually(scrape)
    expect(ofSupervisor(text)).toEqual(before)
    expect(growingIn(text).get('throttler_process_replacements_total{process="front",reason="killed"}')).toBe(1)
  })

  it('loses nothing that was counted by processes that end at the same moment', async () => {
    const before = growingIn(await scrape())
    for (const pid of service.pidsOf('throttler front')) process.kill(pid, 'SIGKILL')
    const text = await eventually(scrape)
    const after = growingIn(text)
    expect(fallenIn(before, after)).toEqual([])
  })
})

describe('a worker’s own port', () => {
  it('answers /health and /metrics', async () => {
    const worker = new Client(workerUrl)
    const health = await eventually(() => worker.get('/health'))
    expect([health.status, health.body]).toEqual([
      200,
      { status: 'ok', version: expect.any(String), uptimeSeconds: expect.any(Number), configStore: 'up' },
    ])
    const { text, headers } = await worker.get('/metrics')
    expect(headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
    const samples = samplesIn(text)
    expect(samples.get('process_resident_memory_bytes')).toBeGreaterThan(0)
    expect((await worker.get('/config')).status).toBe(404)
    const post = await worker.request('POST', '/metrics')
    expect([post.status, post.headers.get('allow')]).toEqual([405, 'GET, HEAD'])
  })

  it('is the only one that counts commands, by type and outcome, from 0', async () => {
    const worker = new Client(workerUrl)
    const commands = async () => samplesIn((await worker.get('/metrics')).text)
    const series = (type: string, outcome: string) =>
      `throttler_config_commands_total{type="${type}",outcome="${outcome}"}`
    const applied = series('put', 'applied')
    const before = (await commands()).get(applied) ?? Number.NaN
    expect((await commands()).get(series('rollback', 'failed'))).toBe(0)

    await client.put('commands', POLICY)
    await client.put('commands', { ...POLICY, capacity: 6 })
    await client.put('commands', POLICY, { 'if-match': '"1"' })
    await client.delete('commands')
    const after = await commands()
    expect(after.get(applied)).toBe(before + 2)
    expect(after.get(series('put', 'rejected'))).toBe(1)
    expect(after.get(series('delete', 'applied'))).toBe(1)
    expect(await scrape()).not.toContain('throttler_config_commands_total')
  })

  it('that is taken does not prevent a worker from applying commands', async () => {
    const taken = String(new URL(workerUrl).port)
    const second = await Service.start({ env: { WORKER_METRICS_PORT: taken } })
    try {
      expect((await new Client(second.url).put('k', POLICY)).status).toBe(201)
      const warning = second.output.find(line => line.includes('cannot serve /health and /metrics'))
      expect(JSON.parse(warning ?? '{}')).toMatchObject({
        port: Number(taken),
        reason: expect.stringContaining('EADDRINUSE'),
      })
    } finally {
      await second.stop()
    }
  })
})

describeWithPrometheus('for Prometheus, /metrics', () => {
  it('passes promtool, for the instance and for a worker', async () => {
    expect(lintedByPromtool(await scrape())).toBe('')
    expect(lintedByPromtool((await new Client(workerUrl).get('/metrics')).text)).toBe('')
  })

  it('can be scraped', async () => {
    await check(['scraped'])
    const prometheus = await Prometheus.start(scraping(new URL(service.url).host))
    try {
      await eventually(async () => expect(await prometheus.value('up')).toBe(1))
      const counted = checksIn(await scrape())
      await eventually(async () => expect(await prometheus.value('sum(throttler_checks_total)')).toBe(counted))
    } finally {
      await prometheus.stop()
    }
  })
})
