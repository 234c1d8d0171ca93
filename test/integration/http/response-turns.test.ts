import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { afterEach, expect, it } from '@jest/globals'
import { type AppOptions, TestApp } from '../../support/app.ts'
import { eventually } from '../../support/eventually.ts'
import { expectProblem } from './expect-problem.ts'
import { givenApp } from './given-app.ts'
import { exchange, rawRequest } from './raw-http.ts'

/** Answered at once after a rest; the next ones wait. */
const BURST = 50
const MAX_WAITING = 200

let scrapes = 0
const scrape = async () => `scrapes ${++scrapes}\n`
const OPTIONS: AppOptions = { scrape, variables: { TRUST_PROXY: 'loopback' } }
const given = givenApp(OPTIONS)

const requestOf = (client: string) =>
  `GET /metrics HTTP/1.1\r\nhost: localhost\r\nx-forwarded-for: ${client}\r\nconnection: close\r\n\r\n`

afterEach(() => {
  scrapes = 0
})

async function waitingRequests(port: number, count: number): Promise<Socket[]> {
  const sockets = Array.from({ length: count }, () => connect({ host: '127.0.0.1', port }))
  await Promise.all(sockets.map(socket => once(socket, 'connect')))
  for (const socket of sockets) socket.write(requestOf('192.0.2.1'))
  await eventually(() => expect(scrapes).toBeGreaterThanOrEqual(BURST))
  return sockets
}

const scrapeAs = (client: string) =>
  rawRequest(given.app.port, { path: '/metrics', headers: { 'x-forwarded-for': client } })

it('requests that wait leave the queue when their connections close', async () => {
  const sockets = await waitingRequests(given.app.port, 240)
  for (const socket of sockets) socket.resetAndDestroy()
  expect((await scrapeAs('192.0.2.1')).status).toBe(200)
  expect(scrapes).toBeLessThan(150)
})

it('clients take turns, however many requests one of them sends', async () => {
  const sockets = await waitingRequests(given.app.port, 240)
  expect((await scrapeAs('192.0.2.2')).status).toBe(200)
  expect(scrapes).toBeLessThan(150)
  for (const socket of sockets) socket.resetAndDestroy()
})

it('of too many requests that wait, the rest is refused at once with Retry-After', async () => {
  const count = BURST + MAX_WAITING + 100
  const answers = await Promise.all(
    Array.from({ length: count }, () => exchange(given.app.port, requestOf('192.0.2.1'))),
  )
  const refused = answers.filter(answer => answer.startsWith('HTTP/1.1 503 '))
  expect(refused.length).toBeGreaterThan(0)
  for (const answer of refused) expect(answer).toMatch(/\nretry-after: 1\r\n.*"code":"overloaded"/s)
  expect(answers.filter(answer => answer.startsWith('HTTP/1.1 200 '))).toHaveLength(count - refused.length)
})

it('requests that wait when the process begins to drain are refused, so they do not delay its stop', async () => {
  const app = await TestApp.start(given.store, OPTIONS)
  const waiting = Array.from({ length: MAX_WAITING }, () => rawRequest(app.port, { path: '/metrics' }))
  await eventually(() => expect(scrapes).toBeGreaterThanOrEqual(BURST))
  app.drain()
  const refused = (await Promise.all(waiting)).filter(({ status }) => status !== 200)
  expect(refused.length).toBeGreaterThan(0)
  for (const answer of refused) expectProblem(answer, 503, 'draining')
  await app.close()
})
