import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterEach, beforeEach, expect, it, jest } from '@jest/globals'
import { ConnectionSlots } from '../../../src/connections/connection-slots.ts'
import { Connections } from '../../../src/connections/connections.ts'
import { heldMemory } from '../../../src/connections/held-memory.ts'
import { readInTurns } from '../../../src/connections/paced-socket.ts'
import { ReadEstimate } from '../../../src/connections/read-estimate.ts'
import { SlowClients } from '../../../src/connections/slow-clients.ts'
import { SocketTurns } from '../../../src/connections/socket-turns.ts'

/** Longer than a client may send nothing of a body. */
const LATER_MS = 11_000

let server: Server
let client: Socket
let turns: SocketTurns
let slowClients: SlowClients
beforeEach(async () => {
  jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate', 'clearImmediate'] })
  server = createServer()
  // Whoever waits once a turn is full waits for good.
  turns = new SocketTurns({ perTurn: 1, turnsToRest: Number.POSITIVE_INFINITY })
  server.on('connection', socket => readInTurns(socket, turns))
  slowClients = new SlowClients(
    new Connections(server, { slots: new ConnectionSlots({ max: 1, onClosed: () => undefined }) }),
    heldMemory(),
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})
afterEach(() => {
  jest.useRealTimers()
  client.destroy()
  server.closeAllConnections()
  server.close()
})

/** Lets every connection wait to be read. */
function fillTurn(): void {
  turns.count({ client: 'another', estimate: new ReadEstimate(), pauseReading() {}, resumeReading() {} })
}

/** The service's side of a connection whose client has its response. */
async function answered(): Promise<Socket> {
  server.on('request', (_request, response) => void response.end())
  client = connect((server.address() as AddressInfo).port, '127.0.0.1').on('error', () => undefined)
  client.write('GET / HTTP/1.1\r\nhost: localhost\r\n\r\n')
  const [[request]] = (await Promise.all([once(server, 'request'), once(client, 'data')])) as [
    [IncomingMessage],
    unknown,
  ]
  return request.socket
}

/** The service's side of a connection whose client has sent half of a body. */
async function halfBody(): Promise<Socket> {
  client = connect((server.address() as AddressInfo).port, '127.0.0.1').on('error', () => undefined)
  client.write('POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\na')
  const [request] = (await once(server, 'request')) as [IncomingMessage]
  return request.socket
}

it('a client that sends no more of a body is disconnected', async () => {
  const connection = await halfBody()
  jest.advanceTimersByTime(LATER_MS)
  expect(connection.destroyed).toBe(true)
})

it('a client is not slow while its connection waits to be read', async () => {
  const connection = await halfBody()
  fillTurn()
  jest.advanceTimersByTime(LATER_MS)
  expect(connection.destroyed).toBe(false)
})

it.each([
  ['is closed', () => undefined, true],
  ['is kept while it waits to be read', () => fillTurn(), false],
])('an idle connection of a server that closes %s', async (_what, given, isClosed) => {
  const connection = await answered()
  given()
  void slowClients.close(1_000)
  await nextTurn()
  await nextTurn()
  expect(connection.destroyed).toBe(isClosed)
})
