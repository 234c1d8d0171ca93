import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { pino } from 'pino'
import { Callers } from '../../../src/access/callers.ts'
import type { AskedCheck, OnResult } from '../../../src/check/pending-check.ts'
import { ConnectionSlots } from '../../../src/connections/connection-slots.ts'
import { Connections } from '../../../src/connections/connections.ts'
import { RequestTurns } from '../../../src/connections/request-turns.ts'
import { SharedBound } from '../../../src/connections/shared-bound.ts'
import { PlainChecks } from '../../../src/front/plain-checks.ts'
import { answerProblems } from '../../../src/http/problem.ts'
import { RequestLog } from '../../../src/http/request-log.ts'
import { faultFields } from '../../../src/lib/operator-error.ts'
import { CallLog } from '../../../src/observability/call-log.ts'
import { decisionOf } from '../../support/decisions.ts'
import { eventually } from '../../support/eventually.ts'
import { givenSockets } from '../../support/given-sockets.ts'

const PER_TURN = 4
const REQUEST =
  'POST /check HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 11\r\n\r\n{"key":"a"}'

const sockets = givenSockets()
let server: Server
/** The last connection. */
let accepted: Socket
let drain: AbortController
let isOverloaded: boolean
/** Requests that the parser has read. */
let parsed: number
/** Checks that it has not. */
let asked: { readonly check: AskedCheck; readonly onResult: OnResult }[]

beforeEach(async () => {
  parsed = 0
  asked = []
  isOverloaded = false
  drain = new AbortController()
  server = createServer((_request, response) => {
    parsed++
    response.end('by the parser')
  })
  const calls = new CallLog({ logger: pino({ level: 'silent' }), loggedKey: key => key, causeFields: faultFields })
  const log = new RequestLog(calls)
  const limits = { adminCall: async () => 0, failedLogin: async () => 0 }
  new PlainChecks(server, {
    checker: { check: (check: AskedCheck, onResult: OnResult) => void asked.push({ check, onResult }) },
    fieldStyle: 'draft',
    log,
    callers: new Callers({ adminTokens: [], checkTokens: [], limits }),
    isOverloaded: () => isOverloaded,
    turns: new RequestTurns(server, PER_TURN),
    connections: new Connections(server, {
      slots: new ConnectionSlots({ max: 10, onClosed: () => undefined }),
    }),
    memory: new SharedBound(1_000_000),
    keepAliveTimeoutMs: 5_000,
    trustedProxies: ['loopback'],
    answerProblem: answerProblems(log, problem => problem),
    drain: drain.signal,
  })
  server.on('connection', socket => {
    accepted = socket
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})
afterEach(async () => {
  sockets.closeAll()
  server.close()
  await once(server, 'close')
})

/** A connection whose first checks the parser has read, and what it receives from then on. */
async function client(first = [REQUEST]): Promise<{ readonly socket: Socket; received(): string }> {
  const socket = sockets.open({ port: (server.address() as AddressInfo).port, host: '127.0.0.1' })
  const connected = once(server, 'connection')
  let received = ''
  socket.on('data', data => {
    received += data
  })
  await connected
  for (const part of first) {
    const bytes = accepted.bytesRead + part.length
    socket.write(part)
    await eventually(() => expect(accepted.bytesRead).toBe(bytes))
  }
  await eventually(() => expect(received).toMatch(/by the parser/))
  socket.write(REQUEST)
  await eventually(() => expect(received).toMatch(/by the parser.*by the parser/s))
  parsed = 0
  received = ''
  return { socket, received: () => received }
}

function allow(index: number): void {
  asked[index]?.onResult(decisionOf({ key: 'a' }), 1, 0)
}

const whenAsked = (count = 1) => eventually(() => expect(asked).toHaveLength(count))

describe('a plain check', () => {
  it('is read and answered without the parser, from the third one of its connection on', async () => {
    const { socket, received } = await client()
    for (let i = 0; i < 3; i++) {
      socket.write(REQUEST)
      await whenAsked(i + 1)
      expect(asked[i]?.check).toEqual({ key: 'a', tokens: 1 })
      allow(i)
      await eventually(() => expect(received().match(/HTTP\/1\.1 200 OK\r\n/g)).toHaveLength(i + 1))
    }
    expect(parsed).toBe(0)
    expect(received()).toContain('Keep-Alive: timeout=5\r\n\r\n{"allowed":true,"key":"a"')
  })

  it.each<[string, (request: string) => string]>([
    [
      'its fields are not those of a plain one',
      request => request.replace('\r\n', '\r\ncontent-encoding: identity\r\n'),
    ],
    ['a trusted proxy names its client', request => request.replace('\r\n', '\r\nx-forwarded-for: 192.0.2.1\r\n')],
    ['it is no check', request => request.replace('"a"', '1.5')],
  ])('is read by the parser if %s', async (_why, changed) => {
    const { socket, received } = await client()
    socket.write(changed(REQUEST))
    await eventually(() => expect(received()).toMatch(/by the parser/))
    expect(asked).toHaveLength(0)
    socket.write(REQUEST)
    await whenAsked()
  })

  it.each([
    ['was not plain', [REQUEST.replace('\r\n', '\r\ncontent-encoding: identity\r\n')]],
    ['came in several packets', [REQUEST.slice(0, -5), REQUEST.slice(-5)]],
  ])('is read by the parser if the first one of its connection %s', async (_how, first) => {
    const { socket, received } = await client(first)
    socket.write(REQUEST)
    await eventually(() => expect(received()).toMatch(/by the parser/))
    expect(asked).toHaveLength(0)
  })

  it('is read by the parser while the process is overloaded or drains', async () => {
    const { socket } = await client()
    isOverloaded = true
    socket.write(REQUEST)
    await eventually(() => expect(parsed).toBe(1))
    isOverloaded = false
    drain.abort()
    socket.write(REQUEST)
    await eventually(() => expect(parsed).toBe(2))
    expect(asked).toHaveLength(0)
  })

  it('is read by the parser where others of the same turn of the event loop wait', async () => {
    const clients: Awaited<ReturnType<typeof client>>[] = []
    while (clients.length < 2 * PER_TURN) clients.push(await client())
    for (const { socket } of clients) socket.write(REQUEST)
    await eventually(() => expect(asked.length + parsed).toBe(clients.length))
    expect(asked.length).toBeGreaterThanOrEqual(PER_TURN)
    expect(parsed).toBeGreaterThan(0)
  })

  it('closes its connection if the process drains meanwhile', async () => {
    const { socket, received } = await client()
    socket.write(REQUEST)
    await whenAsked()
    drain.abort()
    const ended = once(socket, 'end')
    allow(0)
    await ended
    expect(received()).toMatch(/^HTTP\/1\.1 200 OK\r\n.*\r\nConnection: close\r\n/s)
  })

  it('leaves it to the parser to close its connection if more requests have arrived', async () => {
    const { socket, received } = await client()
    socket.write(REQUEST)
    await whenAsked()
    const before = accepted.bytesRead
    socket.write(REQUEST)
    await eventually(() => expect(accepted.bytesRead).toBe(before + REQUEST.length))
    drain.abort()
    allow(0)
    await eventually(() => expect(parsed).toBe(1))
    await eventually(() => expect(received()).toMatch(/^HTTP\/1\.1 200 OK\r\n.*Connection: keep-alive.*by the parser/s))
  })

  it('is read by the parser while its client reads nothing', async () => {
    const { socket, received } = await client()
    socket.write(REQUEST)
    await whenAsked()
    accepted.cork()
    allow(0)
    socket.write(REQUEST)
    await eventually(() => expect(parsed).toBe(1))
    accepted.uncork()
    await eventually(() => expect(received()).toMatch(/^HTTP\/1\.1 200 OK\r\n.*"key":"a".*by the parser/s))
    expect(asked).toHaveLength(1)
  })
})
