import { once } from 'node:events'
import type { OutgoingHttpHeaders } from 'node:http2'
import { connect, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, it } from '@jest/globals'
import { eventually } from '../../support/eventually.ts'
import { TestGrpcServer } from '../../support/grpc-server.ts'
import { framed, Http2Client } from '../../support/http2-client.ts'
import {
  ACK,
  DATA,
  END_STREAM,
  frame,
  headOf,
  PING,
  PREFACE,
  requestHead,
  SETTINGS,
} from '../../support/http2-frames.ts'
import { HeldChecker } from '../../support/resp-server.ts'

/** The domain `edge`, with the descriptor `a`=`b`. */
const REQUEST = framed(Buffer.from('0a04656467651208' + '0a060a01611201' + '62', 'hex'))

const [WINDOW_UPDATE, UNKNOWN_TYPE] = [8, 0x20]
const FLOODER = '127.0.0.2'

const PATH = '/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit'
const MAX_FRAME_BYTES = 16_384

/** The server looks for floods four times a second. */
const SEVERAL_LOOKS_MS = 600

let checker: HeldChecker
let server: TestGrpcServer
let client: Http2Client
const sockets: Socket[] = []
beforeEach(async () => {
  checker = new HeldChecker()
  server = await TestGrpcServer.start(checker)
  client = new Http2Client(server.port)
})
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  client.close()
  await server.close()
})

function open(localAddress: string): Socket {
  const socket = connect({ port: server.port, host: '127.0.0.1', localAddress })
  sockets.push(socket)
  socket.on('error', () => undefined).resume()
  socket.write(Buffer.concat([PREFACE, frame(SETTINGS, 0, 0)]))
  return socket
}

const closeOf = (socket: Socket) => new Promise(resolve => socket.once('close', resolve))

/** A call whose message is sent in frames of the usual size. */
function callOf(stream: number, message: Buffer): Buffer {
  const count = Math.ceil(message.length / MAX_FRAME_BYTES)
  const frames = Array.from({ length: count }, (_, i) => {
    const part = message.subarray(i * MAX_FRAME_BYTES, (i + 1) * MAX_FRAME_BYTES)
    return frame(DATA, i + 1 < count ? 0 : END_STREAM, stream, part)
  })
  return Buffer.concat([requestHead(stream, 'POST', PATH), ...frames])
}

/** Sends until the server has closed the connection. */
async function flood(socket: Socket, bytesOf: (turn: number) => Buffer): Promise<void> {
  const closed = closeOf(socket)
  for (let turn = 0; !socket.closed; turn++) {
    if (socket.write(bytesOf(turn))) continue
    await Promise.race([new Promise(resolve => socket.once('drain', resolve)), closed])
  }
}

it.each<[string, (turn: number) => Buffer]>([
  ['heads that have too many fields', turn => headOf(2 * turn + 1, 3_500)],
  ['many small heads that have too many fields', turn => headOf(2 * turn + 1, 130)],
  ['frames of an unknown type', () => frame(UNKNOWN_TYPE, 0, 0, Buffer.alloc(1_000))],
  ['settings', () => frame(SETTINGS, 0, 0)],
  ['pings', () => frame(PING, 0, 0, Buffer.alloc(8))],
  ['a larger window', () => frame(WINDOW_UPDATE, 0, 0, Buffer.from([0, 0, 0, 1]))],
])('a client that floods the server with %s is disconnected, and no other', async (_what, bytesOf) => {
  // Without a call, the connection would end after ten seconds.
  await client.ask(REQUEST)
  await flood(open(FLOODER), bytesOf)
  await closeOf(open(FLOODER))
  expect(await client.ask(REQUEST)).toMatchObject({ grpcStatus: '0' })
  const other = new Http2Client(server.port)
  expect(await other.ask(REQUEST)).toMatchObject({ grpcStatus: '0' })
  other.close()
})

it('a client is barred after a few large heads that have too many fields, and keeps its other connections', async () => {
  const [flooding, quiet] = [open(FLOODER), open(FLOODER)]
  const closed = closeOf(flooding)
  flooding.write(Buffer.concat([1, 3, 5, 7, 9].map(stream => headOf(stream, 3_500))))
  await closed
  await closeOf(open(FLOODER))
  expect(quiet.closed).toBe(false)
})

it.each<[string, OutgoingHttpHeaders, number, number]>([
  ['by their heads', { 'grpc-timeout': 'soon' }, 2_000, 30],
  ['by their heads, and large', { 'grpc-timeout': 'soon' }, 200_000, 5],
  ['by their messages, which are large', {}, 200_000, 20],
  ['since their messages are too large', {}, 2_000_000, 1],
  ['as requests that are no calls', { ':method': 'GET' }, 2_000, 30],
])('a client whose calls are refused %s is not disconnected', async (_how, headers, bytes, atOnce) => {
  const message = framed(Buffer.alloc(bytes))
  const until = performance.now() + SEVERAL_LOOKS_MS
  while (performance.now() < until)
    await Promise.all(Array.from({ length: atOnce }, () => client.ask(message, headers)))
  expect(await client.ask(REQUEST)).toMatchObject({ grpcStatus: '0' })
  const other = new Http2Client(server.port)
  expect(await other.ask(REQUEST)).toMatchObject({ grpcStatus: '0' })
  other.close()
})

it('a client may open many calls before it knows how many it may', async () => {
  const busy = new Http2Client(server.port, { peerMaxConcurrentStreams: 1_000 })
  const calls = Array.from({ length: 1_000 }, (_, i) => {
    const trace = { traceparent: `00-${String(i).padStart(32, '7')}-${String(i).padStart(16, '7')}-01` }
    return busy.ask(REQUEST, trace).catch(() => undefined)
  })
  const statuses = (await Promise.all(calls)).map(answer => answer?.grpcStatus)
  expect(statuses.filter(status => status === '0')).toHaveLength(32)
  expect(await busy.ask(REQUEST)).toMatchObject({ grpcStatus: '0' })
  busy.close()
  const other = new Http2Client(server.port)
  expect(await other.ask(REQUEST)).toMatchObject({ grpcStatus: '0' })
  other.close()
})

it.each<[string, number, number]>([
  ['a large one', 1, 60_000],
  ['several', 30, 1_500],
])('a client may send calls together with its acknowledgement of the settings: %s', async (_what, calls, bytes) => {
  const connection = open('127.0.0.1')
  await once(connection, 'data')
  const requests = Array.from({ length: calls }, (_, i) => callOf(2 * i + 1, framed(Buffer.alloc(bytes))))
  connection.write(Buffer.concat([frame(SETTINGS, ACK, 0), ...requests]))
  await eventually(() => expect(server.answered).toHaveLength(calls))
  const other = new Http2Client(server.port)
  expect(await other.ask(REQUEST)).toMatchObject({ grpcStatus: '0' })
  other.close()
})

it('a client that does not finish a call that was refused keeps its connection', async () => {
  const stream = client.open({ 'grpc-timeout': 'soon' })
  await once(stream, 'close')
  expect(await client.ask(REQUEST)).toMatchObject({ grpcStatus: '0' })
})

it('a client may send heads and messages of any size that calls may have', async () => {
  const large = { 'x-large': 'x'.repeat(15_000) }
  for (let i = 0; i < 50; i++) {
    expect(await client.ask(REQUEST, large)).toMatchObject({ grpcStatus: '0' })
    expect(await client.ask(framed(Buffer.alloc(1024 * 1024 - 100)))).toMatchObject({ grpcStatus: '3' })
  }
})
