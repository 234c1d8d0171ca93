import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterEach, expect, it } from '@jest/globals'
import { type AppOptions, TestApp } from '../../support/app.ts'
import { eventually } from '../../support/eventually.ts'
import { givenApp } from './given-app.ts'
import { rawRequest } from './raw-http.ts'

/** Answered at once after a rest; the next ones wait. */
const BURST = 50
const MAX_WAITING = 200
/** As many requests of one client as are not refused. */
const COUNT = BURST + MAX_WAITING - 10

let scrapes = 0
const scrape = async () => `scrapes ${++scrapes}\n`
const OPTIONS: AppOptions = { scrape, variables: { TRUST_PROXY: 'loopback' } }
const given = givenApp(OPTIONS)

const requestOf = (client: string) =>
  `GET /metrics HTTP/1.1\r\nhost: localhost\r\nx-forwarded-for: ${client}\r\nconnection: close\r\n\r\n`

afterEach(() => {
  scrapes = 0
})

/** Connections over which requests can be sent at the same time. */
async function connected(port: number, count: number): Promise<Socket[]> {
  const sockets = Array.from({ length: count }, () => connect({ host: '127.0.0.1', port }))
  await Promise.all(sockets.map(socket => once(socket, 'connect')))
  return sockets
}

async function waitingRequests(port: number, count: number): Promise<Socket[]> {
  const sockets = await connected(port, count)
  for (const socket of sockets) socket.write(requestOf('192.0.2.1'))
  await eventually(() => expect(scrapes).toBeGreaterThanOrEqual(BURST))
  return sockets
}

const scrapeAs = (client: string) =>
  rawRequest(given.app.port, { path: '/metrics', headers: { 'x-forwarded-for': client } })

it('requests that wait leave the queue when their connections close', async () => {
  const sockets = await waitingRequests(given.app.port, COUNT)
  for (const socket of sockets) socket.resetAndDestroy()
  expect((await scrapeAs('192.0.2.1')).status).toBe(200)
  expect(scrapes).toBeLessThan(COUNT)
})

it('clients take turns, however many requests one of them sends', async () => {
  const sockets = await waitingRequests(given.app.port, COUNT)
  expect((await scrapeAs('192.0.2.2')).status).toBe(200)
  expect(scrapes).toBeLessThan(COUNT)
  for (const socket of sockets) socket.resetAndDestroy()
})

it('of too many requests that wait, the rest is refused at once with Retry-After', async () => {
  const count = 2 * (BURST + MAX_WAITING)
  const sockets = await connected(given.app.port, count)
  const answers = await Promise.all(sockets.map(socket => text(socket.end(requestOf('192.0.2.1')))))
  const refused = answers.filter(answer => answer.startsWith('HTTP/1.1 503 '))
  expect(refused.length).toBeGreaterThan(0)
  for (const answer of refused) expect(answer).toMatch(/\nretry-after: 1\r\n.*"code":"overloaded"/s)
  expect(answers.filter(answer => answer.startsWith('HTTP/1.1 200 '))).toHaveLength(count - refused.length)
})

it('requests that wait for long while the process drains are refused, so they do not delay its stop', async () => {
  const app = await TestApp.start(given.store, OPTIONS)
  const waiting = (await waitingRequests(app.port, COUNT)).map(socket => text(socket))
  app.drain()
  const refused = (await Promise.all(waiting)).filter(answer => !answer.startsWith('HTTP/1.1 200 '))
  expect(refused.length).toBeGreaterThan(0)
  for (const answer of refused) expect(answer).toMatch(/^HTTP\/1\.1 503 .*"code":"draining"/s)
  await app.close()
})
