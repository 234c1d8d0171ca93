import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { announcementChannel } from '../../src/redis/keys.ts'
import { Client } from '../support/client.ts'
import { connectToStoreOf } from '../support/embedded-store.ts'
import { eventually } from '../support/eventually.ts'
import { isAlive } from '../support/processes.ts'
import { checksIn } from '../support/prometheus.ts'
import { promised } from '../support/promised.ts'
import { Service } from '../support/service.ts'

const THREE_A_MINUTE = { capacity: 3, refillTokens: 1, refillIntervalMs: 60_000 }

let service: Service
let dataDir: string
async function start(): Promise<void> {
  dataDir = await mkdtemp(join(tmpdir(), 'throttler-data-'))
  service = await Service.start({ env: { DATA_DIR: dataDir, WEB_CONCURRENCY: '2', SHUTDOWN_TIMEOUT_MS: '4000' } })
}
async function stop(): Promise<void> {
  await service.stop()
  await rm(dataDir, { recursive: true, force: true })
}

/** Puts a policy, which is obeyed, and deletes it, so that the default applies again. */
async function tour(key: string): Promise<void> {
  const client = new Client(service.url)
  expect((await client.put(key, THREE_A_MINUTE)).status).toBe(201)
  const statuses = []
  for (let i = 0; i < 4; i++) statuses.push((await client.check(key)).status)
  expect(statuses).toEqual([200, 200, 200, 429])
  expect((await client.delete(key)).status).toBe(204)
  expect((await client.check(key)).body).toMatchObject({ allowed: true, policy: 'default', limit: 100 })
}

describe('npm start without REDIS_URL', () => {
  beforeAll(start)
  afterAll(stop)

  it('logs where it listens, which store it has and how to try it', () =>
    eventually(() => {
      const said = service.output.join('\n')
      expect(said).toContain(`listening on ${service.url} with 2 front processes`)
      expect(said).toContain(`store: embedded, keeping policies in ${dataDir}`)
      expect(said).toContain(`try: curl -i ${service.url}/check`)
    }))

  it('enforces a change in every process, whichever accepted it', async () => {
    const client = new Client(service.url)
    await client.put('team:*', THREE_A_MINUTE)
    await eventually(async () => {
      const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => client.check(`team:${i}`)))
      expect(answers.map(({ body }) => body.policyVersion)).toEqual(Array(20).fill(1))
    }, promised(1_000))
  })

  it('is not disturbed by messages of other programs in its store', async () => {
    const pids = service.pids
    const redis = await connectToStoreOf(dataDir)
    for (const message of ['hello', '99 1 {']) await redis.publish(announcementChannel('throttler'), message)
    redis.disconnect()
    // The other process may obey a moment later.
    await eventually(() => tour(`undisturbed-${Math.random()}`))
    expect(service.pids).toEqual(pids)
  })

  it('refuses a data directory that another service uses', async () => {
    await expect(Service.start({ env: { DATA_DIR: dataDir } })).rejects.toThrow(
      /code 1[\s\S]*DATA_DIR was .*another process uses/,
    )
  })

  it.each(['worker', 'front', 'store'])('replaces a killed %s', async role => {
    const client = new Client(service.url)
    await client.put('before', THREE_A_MINUTE)
    const [victim = 0] = service.pidsOf(`throttler ${role}`)
    process.kill(victim, 'SIGKILL')
    await eventually(() => tour(`after-${role}-${Math.random()}`))
    expect(service.pidsOf(`throttler ${role}`)).not.toContain(victim)
    await eventually(async () => expect((await client.get('/health')).body.status).toBe('ok'))
    expect((await client.get('/config/before')).body).toMatchObject({ version: 1 })
  })

  it('keeps the free port that it found when the primary is killed', async () => {
    const [victim = 0] = service.pidsOf('throttler primary')
    process.kill(victim, 'SIGKILL')
    await eventually(async () => {
      expect(service.pidsOf('throttler primary')).not.toContain(victim)
      expect((await new Client(service.url).get('/health')).status).toBe(200)
    })
  })
})

describe('a stop or replacement of npm start without REDIS_URL', () => {
  beforeEach(start)
  afterEach(stop)

  it('keeps policies, their versions and the outcomes of commands over a restart', async () => {
    const before = new Client(service.url)
    const { body } = await before.request('PUT', '/config/kept', THREE_A_MINUTE)
    await before.put('kept', { ...THREE_A_MINUTE, capacity: 4 })
    await before.put('gone', THREE_A_MINUTE)
    await before.delete('gone')
    const policies = (await before.get('/config')).body
    expect(await service.stop()).toBe(0)

    service = await Service.start({ env: { DATA_DIR: dataDir } })
    const after = new Client(service.url)
    expect((await after.get('/config')).body).toEqual(policies)
    expect((await after.get('/config/kept?version=1')).body).toMatchObject({ version: 1, limits: [{ capacity: 3 }] })
    expect((await after.get(`/commands/${body.commandId}`)).body).toMatchObject({ status: 'applied', version: 1 })
    expect((await after.put('gone', THREE_A_MINUTE)).body).toMatchObject({ version: 3 })
  })

  it('empties the queue before an orderly stop', async () => {
    const client = new Client(service.url)
    const keys = Array.from({ length: 100 }, (_, i) => `queued-${i}`)
    await Promise.all(keys.map(key => client.request('PUT', `/config/${key}`, THREE_A_MINUTE)))
    expect(await service.stop()).toBe(0)
    const journal = await readFile(join(dataDir, 'journal.ndjson'), 'utf8')
    expect(keys.filter(key => !journal.includes(`"${key}"`))).toEqual([])
  })

  it('leaves no process behind when its first process is killed', async () => {
    const { pids } = service
    expect(pids).toHaveLength(6)
    service.process.kill('SIGKILL')
    await eventually(() => expect(pids.filter(isAlive)).toEqual([]), promised(5_000))
  })

  it('ends cleanly when a terminal interrupts all its processes at once', async () => {
    const { pids } = service
    for (const pid of pids) process.kill(pid, 'SIGINT')
    expect(await service.stop('SIGINT')).toBe(0)
    expect(pids.filter(isAlive)).toEqual([])
  })

  it('replaces all front processes on SIGHUP, and no counter falls', async () => {
    const client = new Client(service.url)
    for (let i = 0; i < 10; i++) await client.check(`counted-${i}`)
    const fronts = service.pidsOf('throttler front')
    const replaced = service.says(/all front processes are replaced/)
    service.process.kill('SIGHUP')
    await replaced
    expect(service.pidsOf('throttler front').filter(pid => fronts.includes(pid))).toEqual([])
    const { text } = await client.get('/metrics')
    // Checks of every source count: on a busy machine, a check may be decided without the store.
    expect(checksIn(text)).toBe(10)
  })
})
