import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals'
import { runThrottler } from '../support/cli.ts'
import { Client } from '../support/client.ts'
import { describeLong } from '../support/describe-long.ts'
import { EarlierRelease, RELEASE_0_1_0 } from '../support/earlier-release.ts'
import { obeyedByAll } from '../support/obeyed.ts'
import { RedisServer } from '../support/redis-server.ts'
import { historyOf } from '../support/release-data.ts'
import { PATIENCE, Service } from '../support/service.ts'

const BUILD_MS = 600_000
const TEST_MS = 300_000
const WAIT = { prefer: 'wait=60' }

const policyOf = (capacity: number) => ({ capacity, refillTokens: 1, refillIntervalMs: 86_400_000 })

describeLong('an upgrade from release 0.1.0 to this one, and back', () => {
  let release: EarlierRelease
  /** Everything that the test must stop, in reverse order. */
  let started: { stop(): Promise<unknown> }[] = []

  beforeAll(async () => {
    release = await EarlierRelease.build(RELEASE_0_1_0)
  }, BUILD_MS)
  afterEach(async () => {
    for (const each of started.toReversed()) await each.stop()
    started = []
  })
  afterAll(() => release?.remove())

  async function start(kind: 'all' | 'api' | 'worker', env: Readonly<Record<string, string>>, root?: string) {
    const service = await Service.start({ kind, env, ...(root !== undefined && { root }) })
    started.push(service)
    return service
  }

  const roots = () => [release.root, undefined, release.root, undefined]

  it(
    'on one Redis loses nothing that either wrote',
    async () => {
      const redis = await RedisServer.start()
      started.push(redis)
      const variables = { REDIS_URL: redis.url, ...PATIENCE }
      const state = new ExpectedState()
      for (const root of roots()) {
        const services = await Promise.all([start('api', variables, root), start('worker', variables, root)])
        const client = new Client(services[0].url)
        await state.expectIn(client)
        await state.spendIn(client)
        await state.changeIn(client)
        expect((await runThrottler(['verify'], variables, { root })).code).toBe(0)
        await Promise.all(services.map(service => service.stop()))
      }
    },
    TEST_MS,
  )

  it(
    'on one journal of the embedded store loses nothing that either wrote, though both compact it',
    async () => {
      const dataDir = await mkdtemp(join(tmpdir(), 'throttler-data-'))
      started.push({ stop: () => rm(dataDir, { recursive: true }) })
      const variables = { DATA_DIR: dataDir }
      const state = new ExpectedState()
      for (const root of roots()) {
        const service = await start('all', variables, root)
        const client = new Client(service.url)
        await state.expectIn(client)
        await state.changeIn(client)
        expect((await runThrottler(['compact', '--keep', '8'], variables, { root })).code).toBe(0)
        await state.readAgainIn(client)
        expect((await runThrottler(['verify'], variables, { root })).code).toBe(0)
        await service.stop()
      }
    },
    TEST_MS,
  )
})

const CAPACITY = 20
const SPENT_EACH_TIME = 5

/** Changes policies and spends tokens in one release after another, and knows what the next one must find. */
class ExpectedState {
  #round = 0
  #spent = 0
  #read: unknown
  #repeatable: { readonly key: string; readonly path: string } | undefined

  /** Expects the last reading again, and that repeating the last request under its Idempotency-Key changes nothing. */
  async expectIn(client: Client): Promise<void> {
    if (this.#round === 0) return
    expect(await readingOf(client)).toEqual(this.#read)
    await obeyedByAll([client], 'changed', 'changed', 10_000)
    expect((await client.check('changed', 0)).body.policyVersion).toBe(4 * this.#round)
    expect((await this.#repeat(client)).status).toBeLessThan(300)
    expect(await readingOf(client)).toEqual(this.#read)
  }

  /** Spends tokens, after expecting that the bucket continues from what was spent before. */
  async spendIn(client: Client): Promise<void> {
    const { body } = await client.check('bucket', 0)
    if (this.#round === 0) expect((await client.put('bucket', policyOf(CAPACITY))).status).toBe(201)
    else expect(body.remaining).toBe(CAPACITY - this.#spent)
    await obeyedByAll([client], 'bucket', 'bucket', 10_000)
    expect((await client.check('bucket', SPENT_EACH_TIME)).status).toBe(200)
    this.#spent += SPENT_EACH_TIME
    expect((await client.check('bucket', CAPACITY - this.#spent + 1)).status).toBe(429)
  }

  /** Creates, changes, rolls back, imports and deletes. */
  async changeIn(client: Client): Promise<void> {
    const round = ++this.#round
    const first = 4 * (round - 1) + 1
    const change = async (answer: ReturnType<Client['request']>, version: number) =>
      expect((await answer).body).toMatchObject({ version })
    const reason = { 'x-change-reason': `round ${round}` }
    await change(client.put('changed', policyOf(10 * round + 1), reason), first)
    await change(client.put('changed', policyOf(10 * round + 2)), first + 1)
    await change(client.request('POST', '/config/changed/rollback', { version: first }, WAIT), first + 2)
    const lines = ['changed', `imported:${round}`].map(key => JSON.stringify({ key, ...policyOf(10 * round + 3) }))
    const headers = { ...WAIT, 'content-type': 'application/x-ndjson' }
    const imported = await client.request('POST', '/config/import', lines.join('\n'), headers)
    expect(imported.body).toMatchObject({ status: 'applied', created: 1, changed: 1 })
    expect((await client.put('deleted', policyOf(round))).status).toBe(201)
    expect((await client.delete('deleted')).status).toBe(204)
    this.#repeatable = { key: `round-${round}`, path: `repeated-${round}` }
    expect((await this.#repeat(client)).status).toBe(201)
    await this.readAgainIn(client)
  }

  async readAgainIn(client: Client): Promise<void> {
    this.#read = await readingOf(client)
  }

  #repeat(client: Client) {
    const { key = '', path = '' } = this.#repeatable ?? {}
    return client.put(path, policyOf(1), { 'idempotency-key': key })
  }
}

async function readingOf(client: Client): Promise<unknown> {
  const { items } = (await client.get('/config?limit=1000')).body
  const histories = await Promise.all(['changed', 'deleted'].map(key => historyOf(client, key)))
  return { items, histories, exported: (await client.get('/config/export')).text }
}
