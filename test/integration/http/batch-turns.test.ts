import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it, jest } from '@jest/globals'
import { BatchTurns } from '../../../src/check/batch-turns.ts'
import { TestApp } from '../../support/app.ts'
import { Client } from '../../support/client.ts'
import { type Store, startStore } from '../../support/store.ts'
import { StoreProxy } from '../../support/store-proxy.ts'

const MAX_WAITING_CHECKS = 1_000
/** As many checks with keys of one character as fit into the largest body that waits for no turn by its bytes. */
const CHECKS = 681
const BODY = JSON.stringify({ checks: Array.from({ length: CHECKS }, () => ({ key: 'a' })) })
const SMALL_BODY = JSON.stringify({ checks: Array.from({ length: 50 }, () => ({ key: 'a' })) })

const HOURLY = { capacity: 1_000, refillTokens: 1, refillIntervalMs: 3_600_000 }

let store: Store
let proxy: StoreProxy
let app: TestApp
beforeAll(async () => {
  store = await startStore()
  proxy = await StoreProxy.start(store.url)
  const variables = {
    TRUST_PROXY: 'loopback',
    REDIS_TIMEOUT_MS: '5000',
    MAX_WAITING_CHECKS: String(MAX_WAITING_CHECKS),
    CONFIG_REDIS_URL: store.url,
    DEFAULT_CAPACITY: '1000000',
  }
  app = await TestApp.start({ ...store, url: proxy.url }, { variables })
})
afterAll(async () => {
  await app.close()
  await proxy.stop()
  await store.stop()
})

const as = (client: string) => new Client(app.url, { 'x-forwarded-for': client })

function batchRequest(body: string): string {
  const fields = `content-type: application/json\r\ncontent-length: ${body.length}\r\nx-forwarded-for: 192.0.2.1`
  return `POST /check/batch HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n${fields}\r\n\r\n${body}`
}

/** Makes the store answer nothing until its proxy is released. */
async function holdStore(): Promise<void> {
  const held = proxy.hold('EVALSHA')
  void as('192.0.2.1').check('first')
  await held
}

/** Lets every request arrive that was sent. */
async function arrived(): Promise<void> {
  for (let turn = 0; turn < 200; turn++) await nextTurn()
}

/** Sends as many batches of one client at once. Returns their connections. */
async function flood(count: number, body: string): Promise<Socket[]> {
  const sockets = Array.from({ length: count }, () => connect({ host: '127.0.0.1', port: app.port }))
  await Promise.all(sockets.map(socket => once(socket, 'connect')))
  for (const socket of sockets) socket.write(batchRequest(body))
  await arrived()
  return sockets
}

const answersOf = (sockets: readonly Socket[]) => Promise.all(sockets.map(socket => text(socket)))

it.each([
  ['below 8 KiB', 10, BODY],
  ['of the usual size', 100, SMALL_BODY],
])('batches of one client, %s, do not keep others from waiting for the store', async (_, count, body) => {
  await holdStore()
  const sockets = await flood(count, body)
  const other = as('192.0.2.2')
  const checked = other.check('other')
  const batch = other.request('POST', '/check/batch', { checks: [{ key: 'b' }, { key: 'c' }] })
  await arrived()
  proxy.release()
  expect((await checked).body).toMatchObject({ allowed: true, source: 'redis' })
  expect((await batch).body.results).toEqual([
    expect.objectContaining({ allowed: true }),
    expect.objectContaining({ allowed: true }),
  ])
  const answers = await answersOf(sockets)
  const refused = answers.filter(answer => answer.startsWith('HTTP/1.1 503 '))
  expect(refused.length).toBeGreaterThan(0)
  for (const answer of refused) expect(answer).toMatch(/\nretry-after: 1\r\n.*"code":"overloaded"/s)
  const decided = answers.filter(answer => answer.startsWith('HTTP/1.1 200 '))
  expect(decided).toHaveLength(count - refused.length)
  for (const answer of decided) expect(answer).not.toContain('"overloaded"')
})

it('a batch that waits is not decided once its connection is closed', async () => {
  const key = 'left'
  await holdStore()
  const sockets = await flood(1, BODY)
  const leaving = await flood(1, JSON.stringify({ checks: Array(100).fill({ key }) }))
  for (const socket of leaving) socket.resetAndDestroy()
  await arrived()
  proxy.release()
  await answersOf(sockets)
  expect((await as('192.0.2.2').check(key, 0)).body.remaining).toBe(1_000_000)
})

it('a batch waits for its turn with the weight of the limits of its policies', async () => {
  const limits = Array.from({ length: 8 }, (_, i) => ({ name: `l${i}`, ...HOURLY }))
  expect((await app.client.put('many:*', { limits })).status).toBe(201)
  const next = jest.spyOn(BatchTurns.prototype, 'next')
  const checks = Array.from({ length: 100 }, (_, i) => ({ key: `many:${i}` }))
  await as('192.0.2.1').request('POST', '/check/batch', { checks })
  expect(next).toHaveBeenCalledWith(expect.anything(), { checks: 100, weight: 400 })
  next.mockRestore()
})
