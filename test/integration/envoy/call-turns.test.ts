import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, it } from '@jest/globals'
import { mostReadInATurn } from '../../support/flood.ts'
import { TestGrpcServer } from '../../support/grpc-server.ts'
import { framed, Http2Client } from '../../support/http2-client.ts'
import { DATA, END_STREAM, frame, headOf, PING, PREFACE, requestHead, SETTINGS } from '../../support/http2-frames.ts'
import { HeldChecker } from '../../support/resp-server.ts'

const CONNECTIONS = 100
const CALLS = 32

const PINGED = Buffer.from('finished')

/** `CALLS` calls, which are answered at once. */
const BURST = Buffer.concat(
  Array.from({ length: CALLS }, (_, i) => requestHead(2 * i + 1, 'POST', '/unknown', END_STREAM)),
)

/** Calls that may begin in one turn; the connection that exceeds it begins all that it has sent. */
const MAX_PER_TURN = 128 + CALLS

/** Parts of a message that fill the window of a connection: 64 KiB. */
const PARTS = Array.from({ length: 4 }, (_, i) => frame(DATA, 0, 1, Buffer.alloc(16_384 - (i === 3 ? 1 : 0))))

/** Bytes of messages in one turn; the connection that exceeds it reads at most its window. */
const MAX_MESSAGE_BYTES_PER_TURN = 128 * 8_192 + 65_536

/** Fields of a large head that is refused, with four bytes each. */
const FIELDS = 3_500

let server: TestGrpcServer
let sockets: Socket[]
/** The same connections, as the server has them. */
let accepted: Socket[]
const onAccepted = (message: unknown) => void accepted.push((message as { socket: Socket }).socket)
beforeEach(async () => {
  accepted = []
  subscribe('net.server.socket', onAccepted)
  server = await TestGrpcServer.start(new HeldChecker())
  sockets = await Promise.all(Array.from({ length: CONNECTIONS }, openConnection))
})
afterEach(async () => {
  unsubscribe('net.server.socket', onAccepted)
  for (const socket of sockets) socket.destroy()
  await server.close()
})

async function openConnection(): Promise<Socket> {
  const socket = connect(server.port, '127.0.0.1')
  socket.on('error', () => undefined)
  socket.write(Buffer.concat([PREFACE, frame(SETTINGS, 0, 0)]))
  await once(socket, 'data')
  return socket.resume()
}

const bytesRead = () => accepted.reduce((sum, socket) => sum + socket.bytesRead, 0)

const burst = () => {
  for (const socket of sockets) socket.write(BURST)
}

it('a few of the calls that arrive together begin in each turn of the event loop, and all are answered', async () => {
  burst()
  let [seen, most] = [0, 0]
  while (seen < CONNECTIONS * CALLS) {
    await new Promise(setImmediate)
    most = Math.max(most, server.answered.length - seen)
    seen = server.answered.length
  }
  expect(most).toBeLessThanOrEqual(MAX_PER_TURN)
})

it('a call of another address is answered in between', async () => {
  const createConnection = () => connect({ host: '127.0.0.1', port: server.port, localAddress: '127.0.0.2' })
  const other = new Http2Client(server.port, { createConnection })
  await once(other.session, 'remoteSettings')
  burst()
  await other.ask(framed(Buffer.alloc(0)), { ':path': '/grpc.health.v1.Health/Check' })
  expect(server.answered.length).toBeLessThan(CONNECTIONS * CALLS)
  other.close()
})

it('a few of the messages that arrive together are received in each turn', async () => {
  const unfinished = Buffer.concat([requestHead(1, 'POST', '/unknown'), ...PARTS])
  for (const socket of sockets) socket.write(unfinished)
  expect(await mostReadInATurn(accepted)).toBeLessThan(MAX_MESSAGE_BYTES_PER_TURN)
  expect(bytesRead()).toBeGreaterThan(CONNECTIONS * 65_535)
})

it('a few large heads that are refused are read in each turn, once they have made one long', async () => {
  const sendHeads = (stream: number) => {
    for (const socket of sockets) socket.write(headOf(stream, FIELDS))
  }
  sendHeads(1)
  while (bytesRead() < CONNECTIONS * 4 * FIELDS) await new Promise(setImmediate)
  sendHeads(3)
  expect(await mostReadInATurn(accepted)).toBeLessThan(256 * 1024)
  expect(bytesRead()).toBeGreaterThan(2 * CONNECTIONS * 4 * FIELDS)
})

it('connections that have to wait can close, and others go on', async () => {
  burst()
  for (const socket of sockets.splice(0, CONNECTIONS / 2)) socket.destroy()
  const served = sockets.map(async socket => {
    let arrived = Buffer.alloc(0)
    while (!arrived.includes(PINGED)) arrived = Buffer.concat([arrived, (await once(socket, 'data'))[0]])
  })
  for (const socket of sockets) socket.write(frame(PING, 0, 0, PINGED))
  await Promise.all(served)
  expect(server.answered.length).toBeGreaterThanOrEqual(sockets.length * CALLS)
})
