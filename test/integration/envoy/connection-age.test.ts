import { once } from 'node:events'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { afterEach, beforeEach, expect, it } from '@jest/globals'
import { listenOn } from '../../../src/connections/forwarding-listener.ts'
import { LargeRequests } from '../../../src/connections/large-requests.ts'
import { readingTurns } from '../../../src/connections/paced-reading.ts'
import { SocketTurns } from '../../../src/connections/socket-turns.ts'
import { GrpcConnection } from '../../../src/grpc/grpc-connection.ts'
import { Health } from '../../../src/grpc/health.ts'
import { RefusedCalls } from '../../../src/grpc/refused-calls.ts'
import { UNKNOWN_METHOD } from '../../../src/grpc/unknown-method.ts'
import { FewPerTurn } from '../../../src/lib/few-per-turn.ts'
import { framed, Http2Client } from '../../support/http2-client.ts'

/** The bounds of the age at which a connection ends, in ms. */
const LEAST_AGE_MS = 270_000
const MOST_AGE_MS = 330_000

const CHECK = { ':path': '/grpc.health.v1.Health/Check' }
const EMPTY = framed(Buffer.alloc(0))

let listener: Server
let client: Http2Client
let connection: GrpcConnection
beforeEach(async () => {
  const health = new Health([], new AbortController().signal)
  listener = createServer()
  await listenOn(listener, '127.0.0.1', 0)
  const accepted = once(listener, 'connection')
  client = new Http2Client((listener.address() as AddressInfo).port)
  const [socket] = await accepted
  connection = new GrpcConnection(socket, {
    methods: new Map(health.methods),
    unknownMethod: UNKNOWN_METHOD,
    observer: { callAnswered: () => undefined },
    hold: () => undefined,
    reading: readingTurns(),
    callTurns: new SocketTurns({ perTurn: 128, turnsToRest: 3 }),
    endings: new FewPerTurn<GrpcConnection>(10),
    countCall: () => undefined,
    refusedCalls: new RefusedCalls(),
    bar: () => undefined,
    largeRequests: new LargeRequests(new AbortController().signal),
    failed: () => ({ name: 'INTERNAL', message: '' }),
  })
})
afterEach(() => {
  client.close()
  listener.close()
})

it('serves calls until the connection is old', async () => {
  connection.look(performance.now() + LEAST_AGE_MS - 10_000)
  expect(await client.ask(EMPTY, CHECK)).toMatchObject({ grpcStatus: '0' })
  expect(client.session.closed).toBe(false)
})

it('tells the client to use another connection once it is old, answers what crosses that, and closes', async () => {
  expect(await client.ask(EMPTY, CHECK)).toMatchObject({ grpcStatus: '0' })
  const announced = once(client.session, 'goaway')
  const closed = once(client.session, 'close')
  const crossing = client.ask(EMPTY, CHECK)
  connection.look(performance.now() + MOST_AGE_MS)
  expect((await announced)[0]).toBe(0)
  expect(await crossing).toMatchObject({ grpcStatus: '0' })
  await closed
})
