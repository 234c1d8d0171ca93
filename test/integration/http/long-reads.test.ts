import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { eventually } from '../../support/eventually.ts'
import { givenApp } from './given-app.ts'
import { rawRequest } from './raw-http.ts'

const POLICIES = 5_000
const EXPORTS = 100
const LINES = Array.from({ length: POLICIES }, (_, i) => {
  const key = `user:${String(i).padStart(5, '0')}`
  return `${JSON.stringify({ key, limits: [{ name: 'default', capacity: 7, refillTokens: 1, refillIntervalMs: 1_000 }], mode: 'enforce' })}\n`
})

const given = givenApp({ variables: { TRUST_PROXY: 'loopback' } })

let redis: Redis
beforeAll(async () => {
  redis = new Redis(given.store.url)
  const fields = { 'content-type': 'application/x-ndjson', prefer: 'wait=60' }
  const answer = await given.app.client.request('POST', '/config/import', LINES.join(''), fields)
  expect(answer.body).toMatchObject({ status: 'applied', created: POLICIES })
})
afterAll(() => redis.disconnect())

/** How often policies were read from the store so far. */
async function storeReads(): Promise<number> {
  const stats = await redis.info('commandstats')
  return Number(/cmdstat_hmget:calls=([0-9]+)/.exec(stats)?.[1] ?? 0)
}

/** Sends requests, each on a connection of its own, and waits for the first response to begin. By default, they are those of one client. */
async function sendMany(count: number, path: string, clientOf = (_i: number) => '192.0.2.1'): Promise<Socket[]> {
  const sockets = Array.from({ length: count }, () => connect({ host: '127.0.0.1', port: given.app.port }))
  await Promise.all(sockets.map(socket => once(socket, 'connect')))
  const fieldsOf = (i: number) => `host: localhost\r\nx-forwarded-for: ${clientOf(i)}\r\nconnection: close`
  const begun = Promise.race(sockets.map(socket => once(socket, 'readable')))
  for (const [i, socket] of sockets.entries()) socket.write(`GET ${path} HTTP/1.1\r\n${fieldsOf(i)}\r\n\r\n`)
  await begun
  return sockets
}

const getAs = (client: string, path: string) =>
  rawRequest(given.app.port, { path, headers: { 'x-forwarded-for': client } })

it('an export has every policy in byte order, though it is read in parts', async () => {
  expect((await getAs('192.0.2.2', '/config/export')).text).toBe(LINES.join(''))
})

it.each([1, 127, 128, 129, 255, 256, 1000])('a list of %i has as many, though it is read in parts', async limit => {
  const { body } = await getAs('192.0.2.2', `/config?limit=${limit}&prefix=user:`)
  expect(body.items).toHaveLength(limit)
  const last = body.items.at(-1).key
  expect(last).toBe(`user:${String(limit - 1).padStart(5, '0')}`)
  const next = await getAs('192.0.2.2', `/config?limit=1&prefix=user:&cursor=${body.nextCursor}`)
  expect(next.body.items[0].key).toBe(`user:${String(limit).padStart(5, '0')}`)
})

/** The parts of an export, and the attempt to read another. Each part is one read of each partition. */
const READS_OF_EXPORT = 4 * (Math.ceil(POLICIES / 128) + 1)

/** At most as many reads as two parts take. A client that has left may look as if it had only shut down its side, until a write fails. */
const READS_OF_ABANDONED = 4 * 2

it('exports whose clients leave are not read on', async () => {
  const before = await storeReads()
  const sockets = await sendMany(EXPORTS, '/config/export')
  for (const socket of sockets) socket.resetAndDestroy()
  await getAs('192.0.2.2', '/config/export')
  await getAs('192.0.2.1', '/config/export')
  expect((await storeReads()) - before).toBeLessThanOrEqual(EXPORTS * READS_OF_ABANDONED + 2 * READS_OF_EXPORT)
})

it('exports are not read on after the response to HEAD', async () => {
  const count = 20
  const before = await storeReads()
  for (let i = 0; i < count; i++) {
    const { status, text } = await rawRequest(given.app.port, { method: 'HEAD', path: '/config/export' })
    expect([status, text]).toEqual([200, ''])
  }
  await getAs('192.0.2.2', '/config/export')
  expect((await storeReads()) - before).toBeLessThanOrEqual(count * READS_OF_ABANDONED + READS_OF_EXPORT)
})

it('a check waits for few parts of exports, however many one client asks for', async () => {
  const sockets = await sendMany(EXPORTS, '/config/export')
  const before = await storeReads()
  expect((await given.app.client.check('user:1', 0)).status).toBe(200)
  expect((await storeReads()) - before).toBeLessThan(EXPORTS)
  for (const socket of sockets) socket.destroy()
})

it('the list of another client waits for no export, and its export takes turns with those of others', async () => {
  const sockets = await sendMany(EXPORTS, '/config/export')
  let ended = 0
  for (const socket of sockets) socket.resume().on('close', () => ended++)
  expect((await getAs('192.0.2.2', '/config?limit=1000')).body.items).toHaveLength(1_000)
  expect(ended).toBe(0)
  expect((await getAs('192.0.2.2', '/config/export')).text).toBe(LINES.join(''))
  expect(ended).toBeLessThan(10)
  for (const socket of sockets) socket.destroy()
  await eventually(() => expect(ended).toBe(EXPORTS))
})

it('few exports have begun when the first one ends, even if each is that of another client', async () => {
  const sockets = await sendMany(50, '/config/export', i => `192.0.2.${i}`)
  await Promise.race(sockets.map(socket => once(socket.resume(), 'end')))
  expect(sockets.filter(({ bytesRead }) => bytesRead > 0).length).toBeLessThan(10)
  for (const socket of sockets) socket.destroy()
})

it('of hundreds of exports that wait, some of the client with the most are refused, and none of another client', async () => {
  const sockets = await sendMany(300, '/config/export')
  const answers: string[] = []
  for (const socket of sockets) socket.on('data', (chunk: Buffer) => answers.push(chunk.toString()))
  expect((await getAs('192.0.2.2', '/config/export')).text).toBe(LINES.join(''))
  const refused = answers.filter(answer => answer.startsWith('HTTP/1.1 503 '))
  expect(refused.length).toBeGreaterThan(50)
  for (const answer of refused) expect(answer).toMatch(/\r\nretry-after: 1\r\n[\s\S]*"code":"overloaded"/i)
  for (const socket of sockets) socket.destroy()
})

it('lists that wait when the process begins to drain are answered if another one takes its place', async () => {
  const sockets = await sendMany(20, '/config?limit=1000')
  given.app.drain({ isReplaced: true })
  const answers = await Promise.all(sockets.map(text))
  for (const answer of answers) expect(answer).toMatch(/^HTTP\/1\.1 200 [\s\S]*\r\nconnection: close\r\n/i)
})

it('lists that wait when the process begins to drain are refused, and say that their connections close', async () => {
  const sockets = await sendMany(20, '/config?limit=1000')
  given.app.drain()
  const answers = await Promise.all(sockets.map(text))
  const refused = answers.filter(answer => !answer.startsWith('HTTP/1.1 200 '))
  expect(refused.length).toBeGreaterThan(5)
  for (const answer of refused) {
    expect(answer).toMatch(/^HTTP\/1\.1 503 [\s\S]*\r\nconnection: close\r\n[\s\S]*"code":"draining"/i)
  }
})
