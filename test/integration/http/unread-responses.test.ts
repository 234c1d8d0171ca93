import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { ConnectionSlots } from '../../../src/connections/connection-slots.ts'
import { Connections } from '../../../src/connections/connections.ts'
import { heldMemory } from '../../../src/connections/held-memory.ts'
import { SlowClients } from '../../../src/connections/slow-clients.ts'
import { eventually } from '../../support/eventually.ts'
import { promised } from '../../support/promised.ts'

const MIB = 1024 * 1024
const RESPONSE = Buffer.alloc(9 * MIB, 'x')
const REQUEST = 'GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n'

let server: Server
let connections: Connections
let slowClients: SlowClients
beforeAll(async () => {
  server = createServer((_request, response) => void response.end(RESPONSE))
  connections = new Connections(server, { slots: new ConnectionSlots({ max: 100, onClosed: () => undefined }) })
  slowClients = new SlowClients(connections, heldMemory())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
})

async function ask(): Promise<Socket> {
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1').on('error', () => undefined)
  socket.write(REQUEST)
  await once(socket, 'connect')
  return socket
}

const unreadBytes = () => [...connections].reduce((sum, socket) => sum + connections.unreadBytes(socket), 0)

describe('unread responses', () => {
  it('end the slowest connections once they are too large together; clients that read are served', async () => {
    const idle = await Promise.all(Array.from({ length: 12 }, ask))
    await eventually(() => expect([...connections].length).toBeLessThan(idle.length))
    const reader = await text(await ask())
    expect(reader.length).toBeGreaterThan(RESPONSE.length)

    await eventually(() => expect(unreadBytes()).toBeLessThanOrEqual(48 * MIB))
    expect([...connections].length).toBeGreaterThan(2)
    for (const socket of idle) socket.destroy()
  })

  it('end their connections soon once the server closes', async () => {
    await eventually(() => expect([...connections]).toEqual([]))
    const idle = await Promise.all([ask(), ask()])
    await eventually(() => expect(unreadBytes()).toBeGreaterThan(MIB))
    const closed = slowClients.close(1_500)
    await eventually(() => expect([...connections]).toEqual([]), promised(5_000))
    await closed
    for (const socket of idle) socket.destroy()
  })
})
