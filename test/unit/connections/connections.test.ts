import { once } from 'node:events'
import { createServer, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { ConnectionSlots } from '../../../src/connections/connection-slots.ts'
import { Connections } from '../../../src/connections/connections.ts'
import { eventually } from '../../support/eventually.ts'

const REQUEST = 'GET / HTTP/1.1\r\nhost: localhost\r\n\r\n'
const PER_CONNECTION = 16
/** With as many connections, a client has more unanswered requests than all clients together may have: 2,000. */
const TOO_MANY = 2_000 / PER_CONNECTION + 1

let server: Server
let waiting: ServerResponse[]
const clients: Socket[] = []

beforeEach(async () => {
  waiting = []
  server = createServer((_request, response) => void waiting.push(response))
  new Connections(server, { slots: new ConnectionSlots({ max: 1_000, onClosed: () => undefined }) })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy()
  server.close()
  await once(server, 'close')
})

/** A client that pipelines so many requests. Resolves once they have arrived, or were ignored. */
async function pipeline(localAddress: string, requests: number): Promise<Socket> {
  const accepted = once(server, 'connection') as Promise<[Socket]>
  const client = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', localAddress })
  client.on('error', () => undefined).resume()
  clients.push(client)
  client.write(REQUEST.repeat(requests))
  const [connection] = await accepted
  await eventually(() => expect(connection.destroyed || connection.bytesRead === requests * REQUEST.length).toBe(true))
  return client
}

async function pipelineFromMany(localAddress: string, connections: number): Promise<Socket[]> {
  const opened: Socket[] = []
  for (let i = 0; i < connections; i++) opened.push(await pipeline(localAddress, PER_CONNECTION))
  return opened
}

/** Which of them are closed, by their numbers. */
const closedOf = (sockets: readonly Socket[]) => sockets.flatMap(({ closed }, i) => (closed ? [i] : []))

describe('when all clients together have too many unanswered requests', () => {
  it('the client that has the most is disconnected where it sends more', async () => {
    const other = await pipeline('127.0.0.2', 3)
    const most = await pipelineFromMany('127.0.0.1', TOO_MANY)
    await eventually(() => expect(closedOf(most)).toEqual([TOO_MANY - 2, TOO_MANY - 1]))
    expect(other.closed).toBe(false)
  })

  it('another client takes the place of the oldest connection of the one that has the most', async () => {
    const most = await pipelineFromMany('127.0.0.1', TOO_MANY - 1)
    const other = await pipeline('127.0.0.2', 3)
    await eventually(() => expect(closedOf(most)).toEqual([0]))
    const answers = once(other, 'data')
    for (const response of waiting.slice(-3)) response.end('done')
    expect(String(await answers)).toContain('200 OK')
    expect(other.closed).toBe(false)
  })
})

it('a connection with too many unanswered requests is closed', async () => {
  const client = await pipeline('127.0.0.1', PER_CONNECTION + 1)
  await eventually(() => expect(client.closed).toBe(true))
})
