import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { SocketInput, waitsToBeRead } from '../../../src/connections/socket-input.ts'
import { eventually } from '../../support/eventually.ts'
import { flood } from '../../support/flood.ts'
import { givenSockets } from '../../support/given-sockets.ts'

const TURNS = 20

const sockets = givenSockets()
let server: Server
let connection: Socket

/** A connection that is read, and whose client sends as fast as it can. */
beforeEach(async () => {
  server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = sockets.open({ port: (server.address() as AddressInfo).port, host: '127.0.0.1' })
  ;[connection] = (await once(server, 'connection')) as [Socket]
  connection.on('error', () => undefined).on('data', () => undefined)
  flood(client, 'x'.repeat(64 * 1024))
  await isRead()
})
afterEach(async () => {
  connection.destroy()
  server.close()
  await once(server, 'close')
})

async function isRead(): Promise<void> {
  const before = connection.bytesRead
  await eventually(() => expect(connection.bytesRead).toBeGreaterThan(before))
}

async function expectNotRead(): Promise<void> {
  const before = connection.bytesRead
  for (let turn = 0; turn < TURNS; turn++) await nextTurn()
  expect(connection.bytesRead).toBe(before)
}

describe('the input of a socket', () => {
  it('is not read from the moment on in which it is paused', async () => {
    const input = new SocketInput(connection)
    input.pause()
    await expectNotRead()
    input.resume()
    await isRead()
  })

  it('is read once nobody pauses it', async () => {
    const [one, other] = [new SocketInput(connection), new SocketInput(connection)]
    one.pause()
    other.pause()
    other.pause()
    one.resume()
    one.resume()
    expect(waitsToBeRead(connection)).toBe(true)
    await expectNotRead()
    other.resume()
    expect(waitsToBeRead(connection)).toBe(false)
    await isRead()
  })

  it('stays paused when Node resumes the socket', async () => {
    const input = new SocketInput(connection)
    input.pause()
    connection.pause().resume()
    await once(connection, 'resume')
    await expectNotRead()
  })
})
