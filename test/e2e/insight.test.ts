import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { Client } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { Service } from '../support/service.ts'
import { type Store, startStore } from '../support/store.ts'

const USERS = 10_000
const BATCH = 500
const ABUSER = 'user:4711'
/** Checks of the abuser, beside one of each user. */
const ABUSES = 2_000

/** Reports leave a process every five seconds. */
const FOUND_WITHIN_MS = process.env['TEST_LONG'] === undefined ? 60_000 : 10_000

const KILLED = 'killed:1'
const REPORTED = 300
const UNREPORTED = 700
const AFTERWARDS = 200
/** Is checked after the killed key, until it is allowed and denied, since the two are reported one after the other. */
const MARKER = 'killed:marker'
const MARKS = 200

let store: Store
let instances: Service[]
let clients: Client[]
beforeAll(async () => {
  store = await startStore()
  const env = { REDIS_URL: store.url, WEB_CONCURRENCY: '1', REDIS_TIMEOUT_MS: '20000' }
  instances = await Promise.all([Service.start({ kind: 'api', env }), Service.start({ kind: 'api', env })])
  clients = instances.map(({ url }) => new Client(url))
})
afterAll(async () => {
  await Promise.all(instances.map(instance => instance.stop()))
  await store.stop()
})

async function send(client: Client, keys: readonly string[]): Promise<void> {
  const checks = keys.map(key => ({ key }))
  expect((await client.request('POST', '/check/batch', { checks })).status).toBe(200)
}

/** How many checks of a key were counted, whatever was decided. */
async function countOf(client: Client, key: string): Promise<number> {
  const counts = ['allowed', 'denied'].map(async by => {
    const { body } = await client.get(`/top?by=${by}&window=1h&limit=100`)
    return body.items.find((item: { key: string }) => item.key === key)?.count ?? 0
  })
  return (await Promise.all(counts)).reduce((a, b) => a + b)
}

async function checkAll(keys: readonly string[]): Promise<void> {
  for (let from = 0; from < keys.length; from += BATCH) {
    const client = clients[(from / BATCH) % clients.length] as Client
    await send(client, keys.slice(from, from + BATCH))
  }
}

it('an abuser among ten thousand users of two instances is found soon', async () => {
  await checkAll(Array.from({ length: USERS }, (_, i) => `user:${i}`))
  await checkAll(new Array(ABUSES).fill(ABUSER))
  const [first, second] = clients as [Client, Client]
  const items = await eventually(async () => {
    const { body } = await second.get('/top?by=denied&window=5m')
    // More than one instance has denied.
    expect(body.items[0]?.count).toBeGreaterThan(ABUSES * 0.6)
    return body.items
  }, FOUND_WITHIN_MS)
  expect(items).toEqual([{ key: ABUSER, policy: 'default', count: expect.any(Number) }])

  // Denials are reported apart from the counts, and may arrive later.
  await eventually(async () => {
    const { body } = await first.get(`/denials?key=${encodeURIComponent(ABUSER)}`)
    expect(body.items[0]).toMatchObject({ key: ABUSER, policy: 'default', violated: ['default'], tokens: 1 })
  }, FOUND_WITHIN_MS)
})

it('the counts of all instances agree', async () => {
  const [client] = clients as [Client]
  const sum = (counts: readonly number[]) => counts.reduce((a, b) => a + b, 0)
  await eventually(async () => {
    const { series } = (await client.get('/stats?window=5m')).body
    expect(sum(series.allowed) + sum(series.denied)).toBe(USERS + ABUSES)
    const { items, maxError } = (await client.get('/top?by=denied&window=5m')).body
    expect(items[0].count).toBeLessThanOrEqual(sum(series.denied))
    expect(items[0].count + maxError).toBeGreaterThanOrEqual(sum(series.denied))
  }, FOUND_WITHIN_MS)
})

it('a killed process loses what it has not reported, and counts nothing twice', async () => {
  const [first, second] = clients as [Client, Client]
  await send(first, new Array(REPORTED).fill(KILLED))
  await eventually(async () => expect(await countOf(second, KILLED)).toBe(REPORTED), FOUND_WITHIN_MS)

  await send(first, new Array(UNREPORTED).fill(KILLED))
  const [front] = instances.slice(0, 1).flatMap(instance => instance.pidsOf('throttler front'))
  process.kill(Number(front), 'SIGKILL')

  await eventually(async () => expect((await first.get('/ready')).status).toBe(200), FOUND_WITHIN_MS)
  await send(first, [...new Array(AFTERWARDS).fill(KILLED), ...new Array(MARKS).fill(MARKER)])
  await eventually(async () => expect(await countOf(second, MARKER)).toBe(MARKS), FOUND_WITHIN_MS)
  const lost = REPORTED + UNREPORTED + AFTERWARDS - (await countOf(second, KILLED))
  expect(lost).toBeGreaterThanOrEqual(0)
  expect(lost).toBeLessThanOrEqual(UNREPORTED)
})
