import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { configPartition } from '../../src/domain/partition.ts'
import { runThrottler } from '../support/cli.ts'
import { Client } from '../support/client.ts'
import { describeLong } from '../support/describe-long.ts'
import { EarlierRelease, RELEASE_0_1_0 } from '../support/earlier-release.ts'
import { eventually } from '../support/eventually.ts'
import { obeyedByAll } from '../support/obeyed.ts'
import { RedisServer } from '../support/redis-server.ts'
import { historyOf } from '../support/release-data.ts'
import { Service } from '../support/service.ts'

const BUILD_MS = 600_000
const A_DAY_MS = 86_400_000
const WAIT = { prefer: 'wait=60' }

const limitOf = (name: string, capacity: number) => ({
  name,
  capacity,
  refillTokens: 1,
  refillIntervalMs: A_DAY_MS,
})
const policyOf = (capacity: number) => ({ limits: [limitOf('default', capacity)] })
const times = <T>(count: number, make: (i: number) => T) => Array.from({ length: count }, (_, i) => make(i))

/** Keys of other partitions than that of `raised` and than each other's: release 0.1.0 follows no partition whose event it refused. */
const partitions = new Map([[configPartition('raised'), 'raised']])
for (let i = 0; partitions.size < 4; i++) {
  const partition = configPartition(`sold-${i}`)
  if (!partitions.has(partition)) partitions.set(partition, `sold-${i}`)
}
const [, WITH_QUOTA = '', WITH_SHADOW = '', WITH_OVERDRAFT = ''] = partitions.values()

describeLong('release 0.1.0 and this one, side by side on one Redis', () => {
  let release: EarlierRelease
  let redis: RedisServer
  let fronts: readonly Service[]
  /** A client of 0.1.0 and one of this release. */
  let clients: readonly [Client, Client]

  const start = (kind: 'api' | 'worker', root?: string) =>
    Service.start({ kind, isPatient: true, env: { REDIS_URL: redis.url }, ...(root !== undefined && { root }) })

  beforeAll(async () => {
    release = await EarlierRelease.build(RELEASE_0_1_0)
    redis = await RedisServer.start()
    const [earlier, present] = await Promise.all([start('api', release.root), start('api')])
    fronts = [earlier, present]
    clients = [new Client(earlier.url), new Client(present.url)]
  }, BUILD_MS)
  afterAll(async () => {
    await Promise.all((fronts ?? []).map(front => front.stop()))
    await redis?.stop()
    await release?.remove()
  })

  const inTurn = (i: number) => clients[i % clients.length] as Client

  /** Resolves once every front process of both decides the key by this version of this policy. */
  async function obeyed(key: string, policy: string, version: number): Promise<void> {
    await obeyedByAll(clients, key, policy, 10_000)
    await eventually(async () => {
      const answers = await Promise.all(
        times(16, i => inTurn(i).request('POST', '/check', { key, tokens: 0 }, { connection: 'close' })),
      )
      expect(new Set(answers.map(({ body }) => body.policyVersion))).toEqual(new Set([version]))
    })
  }

  /** The statuses of this many concurrent checks of one token, sent to both in turn. */
  const statusesOf = (key: string, count: number) =>
    Promise.all(times(count, async i => (await inTurn(i).check(key)).status))
  const admitted = (statuses: readonly number[]) => statuses.filter(status => status === 200).length

  const WORKERS = [
    ['of 0.1.0', 'earlier'],
    ['of this release', 'present'],
    ['of each', 'both'],
  ] as const

  describe.each(WORKERS)('with a worker %s', (_, who) => {
    let workers: readonly Service[]

    beforeAll(async () => {
      const roots = [...(who === 'present' ? [] : [release.root]), ...(who === 'earlier' ? [] : [undefined])]
      workers = await Promise.all(roots.map(root => start('worker', root)))
    })
    afterAll(async () => {
      await Promise.all((workers ?? []).map(worker => worker.stop()))
    })

    it('a change through either is obeyed by both', async () => {
      for (const [i, client] of clients.entries()) {
        const prefix = `${who}-${i}:`
        const path = `/config/${encodeURIComponent(`${prefix}*`)}`
        const other = inTurn(i + 1)
        expect((await client.put(`${prefix}*`, policyOf(1))).status).toBe(201)
        await obeyed(`${prefix}x`, `${prefix}*`, 1)
        expect((await other.put(`${prefix}*`, policyOf(2), { 'if-match': '"1"' })).body.version).toBe(2)
        await obeyed(`${prefix}x`, `${prefix}*`, 2)
        expect((await client.request('POST', `${path}/rollback`, { version: 1 }, WAIT)).body.version).toBe(3)
        await obeyed(`${prefix}x`, `${prefix}*`, 3)
        expect((await other.delete(`${prefix}*`)).status).toBe(204)
        await obeyed(`${prefix}x`, 'default', 0)
      }
    })

    it('an import through either is obeyed by both, and repeated under its Idempotency-Key by the other', async () => {
      for (const [i, client] of clients.entries()) {
        const keys = times(100, n => `${who}-import-${i}:${n}`)
        const lines = keys.map(key => JSON.stringify({ key, ...policyOf(1) })).join('\n')
        const headers = { ...WAIT, 'content-type': 'application/x-ndjson', 'idempotency-key': `${who}-import-${i}` }
        const { body } = await client.request('POST', '/config/import', lines, headers)
        expect(body).toMatchObject({ status: 'applied', created: keys.length })
        for (const key of keys.slice(0, 4)) await obeyed(key, key, 1)
        const repeated = await inTurn(i + 1).request('POST', '/config/import', lines, headers)
        expect(repeated.body).toMatchObject({ commandId: body.commandId, created: keys.length })
      }
    })

    it('both return the same policies and histories, and verify finds no difference in either', async () => {
      const [earlier, present] = clients
      const texts = await Promise.all(clients.map(async client => (await client.get('/config/export')).text))
      expect(texts[0]).toBe(texts[1])
      const key = `${who}-0:*`
      expect(await historyOf(earlier, key)).toHaveLength(4)
      expect(await historyOf(earlier, key)).toEqual(await historyOf(present, key))
      for (const root of [release.root, undefined])
        expect((await runThrottler(['verify'], { REDIS_URL: redis.url }, { root })).code).toBe(0)
    })

    it('a policy without limits is obeyed by both, and neither finds it damaged', async () => {
      for (const [mode, status] of [
        ['block', 429],
        ['off', 200],
      ] as const) {
        const key = `${who}-without-limits:${mode}`
        expect((await clients[1].put(key, { mode })).status).toBe(201)
        await obeyed(key, key, 1)
        expect(new Set(await statusesOf(key, 8))).toEqual(new Set([status]))
        const line = `${JSON.stringify({ key: `${key}:imported`, mode })}\n`
        const headers = { ...WAIT, 'content-type': 'application/x-ndjson' }
        const imported = await clients[1].request('POST', '/config/import', line, headers)
        expect(imported.body).toMatchObject({ status: 'applied', created: 1 })
        await obeyed(`${key}:imported`, `${key}:imported`, 1)
        // 0.1.0 exports a placeholder for no limits, which this release does not.
        for (const name of [key, `${key}:imported`]) expect((await clients[1].delete(name)).status).toBe(204)
      }
      for (const root of [release.root, undefined])
        expect((await runThrottler(['verify'], { REDIS_URL: redis.url }, { root })).code).toBe(0)
    })

    it('two policies that take turns on one key cause no errors', async () => {
      const prefix = `${who}-errors:`
      const key = `${prefix}x`
      await clients[0].put(`${prefix}*`, { limits: [limitOf('a', 1000), limitOf('shared', 1000)] })
      let isOver = false
      const checking = clients.map(async client => {
        const statuses = new Set<number>()
        while (!isOver) statuses.add((await client.check(key)).status)
        return statuses
      })
      for (const i of times(8, n => n)) {
        await inTurn(i).put(key, { limits: [limitOf('b', 500 + i), limitOf('shared', 900), limitOf('c', 700)] })
        await inTurn(i + 1).delete(key)
      }
      isOver = true
      for (const statuses of await Promise.all(checking))
        expect([200, 429]).toEqual(expect.arrayContaining([...statuses]))
    })

    it('two policies that take turns on one key admit no more than their limits', async () => {
      const prefix = `${who}-bounds:`
      const key = `${prefix}x`
      await clients[0].put(`${prefix}*`, { limits: [limitOf('shared', 20), limitOf('a', 20)] })
      await obeyed(key, `${prefix}*`, 1)
      const phases = [admitted(await statusesOf(key, 60))]
      expect(phases).toEqual([20])
      for (const i of times(3, n => n)) {
        const { body } = await inTurn(i).put(key, { limits: [limitOf('shared', 30), limitOf('b', 30)] })
        await obeyed(key, key, body.version)
        phases.push(admitted(await statusesOf(key, 60)))
        await inTurn(i + 1).delete(key)
        await obeyed(key, `${prefix}*`, 1)
        phases.push(admitted(await statusesOf(key, 60)))
      }
      // The most that the limit of both policies allows.
      expect(phases.reduce((sum, count) => sum + count)).toBe(30)
    }, 120_000)
  })

  it.each([
    ['one limit', [limitOf('default', 300)]],
    ['several limits', [limitOf('a', 300), limitOf('b', 1000), limitOf('c', 500)]],
  ])('checks of one key through both spend from one bucket, exactly: %s', async (name, limits) => {
    const worker = await start('worker', release.root)
    const key = `exact ${name}`
    expect((await clients[1].put(key, { limits })).status).toBe(201)
    await obeyed(key, key, 1)
    await worker.stop()
    const statuses = await statusesOf(key, 600)
    expect(admitted(statuses)).toBe(300)
    expect(new Set(statuses)).toEqual(new Set([200, 429]))
    const readings = await Promise.all(clients.map(client => client.check(key, 0)))
    expect(readings.map(({ body }) => body.remaining)).toEqual([0, 0])
  })

  it('an import that prunes is refused by a worker of 0.1.0, which names what it does not know and changes nothing', async () => {
    const present = clients[1]
    const writer = await start('worker')
    for (const key of ['pruned:1', 'pruned:2']) expect((await present.put(key, policyOf(1))).status).toBe(201)
    await writer.stop()
    const worker = await start('worker', release.root)
    const before = (await present.get('/config/export')).text
    const line = `${JSON.stringify({ key: 'pruned:3', ...policyOf(1) })}\n`
    const prune = (client: Client) =>
      client.request('POST', '/config/import?prune=pruned:', line, { ...WAIT, 'content-type': 'application/x-ndjson' })
    const { status, body } = await prune(present)
    expect([status, body.code, body.detail]).toEqual([500, 'internal', expect.stringContaining('/prune: is unknown')])
    expect((await present.get(`/commands/${body.commandId}`)).body.status).toBe('failed')
    expect((await present.get('/config/export')).text).toBe(before)
    expect((await prune(clients[0])).status).toBe(400)
    await worker.stop()
    const later = await start('worker')
    expect((await prune(present)).body).toMatchObject({ status: 'applied', created: 1, deleted: 2 })
    await later.stop()
  })

  const inADay = () => ({ expiresAt: new Date(Date.now() + A_DAY_MS).toISOString() })
  const SHADOW = { ...limitOf('stricter', 1), shadow: true }
  const QUOTA = { name: 'default', kind: 'quota', capacity: 100, period: 'month' }

  it.each([
    ['a temporary policy', 'raised', () => ({ ...policyOf(100), ...inADay() })],
    ['a quota', WITH_QUOTA, () => ({ limits: [QUOTA] })],
    ['a shadow limit', WITH_SHADOW, () => ({ limits: [limitOf('default', 100), SHADOW] })],
    ['overdraft', WITH_OVERDRAFT, () => ({ ...policyOf(100), overdraft: true })],
  ])('%s is refused by 0.1.0, which reports its schema and continues with what it knows', async (_, key, policy) => {
    const worker = await start('worker')
    const [earlier, present] = clients
    const reports = () =>
      fronts[0]?.output.filter(line => line.includes('the log has an event of schema 2')).length ?? 0
    const before = reports()
    expect((await present.put(key, policyOf(1))).status).toBe(201)
    await obeyed(key, key, 1)
    expect((await present.put(key, policy())).status).toBe(200)
    await worker.stop()
    await eventually(() => expect(reports()).toBeGreaterThan(before))
    expect((await present.check(key, 0)).body).toMatchObject({ limit: 100, policyVersion: 2 })
    expect((await earlier.check(key, 0)).body).toMatchObject({ limit: 1, policyVersion: 1 })
    const { code, complaints } = await runThrottler(['verify'], { REDIS_URL: redis.url }, { root: release.root })
    expect(code).not.toBe(0)
    expect(complaints).toContain('schema 2')
  })
})
