import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { hasUnparsedRequest, ParserInput } from '../../../src/connections/parser-input.ts'
import { takeInput } from '../../../src/connections/parsers.ts'
import { SharedBound } from '../../../src/connections/shared-bound.ts'
import { waitsToBeRead } from '../../../src/connections/socket-input.ts'
import { eventually } from '../../support/eventually.ts'
import { givenSockets } from '../../support/given-sockets.ts'

/** What is taken begins so. */
const ASIDE = 'ASIDE'
const FIRST = 'GET /first HTTP/1.1\r\nhost: localhost\r\n\r\n'
const SECOND = FIRST.replace('first', 'second')
const MAX_HELD = 133_000
const TURNS = 20

const sockets = givenSockets()
let server: Server
/** The connection of the last request. */
let connection: Socket
let paths: (string | undefined)[]
let taken: { readonly bytes: string; answer(): void }[]

beforeEach(async () => {
  paths = []
  taken = []
  const memory = new SharedBound(MAX_HELD)
  const known = new WeakSet<Socket>()
  server = createServer(({ url, socket }, response) => {
    paths.push(url)
    connection = socket
    response.end(url)
  })
  server.prependListener('request', ({ socket }) => {
    const feed = known.has(socket) ? undefined : takeInput(socket)
    known.add(socket)
    if (feed !== undefined) new ParserInput(socket, { feed, memory, take })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')

  function take(bytes: Buffer, input: ParserInput): boolean {
    if (!bytes.toString().startsWith(ASIDE)) return false
    const answer = () => {
      connection.write(`answer to ${bytes}`)
      input.answered()
    }
    taken.push({ bytes: bytes.toString(), answer })
    return true
  }
})
afterEach(async () => {
  sockets.closeAll()
  server.close()
  await once(server, 'close')
})

/** A connection whose first request is answered, and what it receives from then on. */
async function client() {
  const socket = sockets.open({ port: (server.address() as AddressInfo).port, host: '127.0.0.1' })
  let received = ''
  socket.on('data', data => {
    received += data
  })
  socket.write(FIRST)
  await eventually(() => expect(received).toContain('/first'))
  received = ''
  return { socket, received: () => received }
}

/** Resolves once the bytes have arrived. */
async function send(socket: Socket, bytes: string): Promise<void> {
  const before = connection.bytesRead
  socket.write(bytes)
  await eventually(() => expect(connection.bytesRead).toBe(before + bytes.length))
}

const whenTaken = (count = 1) => eventually(() => expect(taken).toHaveLength(count))

describe('the input of a connection', () => {
  it('reaches the parser, unless it is taken between two messages', async () => {
    const { socket } = await client()
    socket.write(`${ASIDE} 1`)
    await whenTaken()
    expect(hasUnparsedRequest(connection)).toBe(true)
    taken[0]?.answer()
    expect(hasUnparsedRequest(connection)).toBe(false)
    socket.write(SECOND)
    await eventually(() => expect(paths).toEqual(['/first', '/second']))
    socket.write(`${ASIDE} 2`)
    await whenTaken(2)
  })

  it('is not taken within a head or a body', async () => {
    const { socket } = await client()
    const body = [ASIDE, ASIDE]
    const head = [
      'POST /second HTTP/1.1\r\nhost: localhost\r\n',
      `${ASIDE}: 1\r\ncontent-length: ${body.join('').length}\r\n\r\n`,
    ]
    for (const part of [...head, ...body]) {
      const bytes = connection.bytesRead + part.length
      socket.write(part)
      await eventually(() => expect(connection.bytesRead).toBe(bytes))
    }
    socket.write(`${ASIDE} 1`)
    await whenTaken()
    expect(taken.map(({ bytes }) => bytes)).toEqual([`${ASIDE} 1`])
    expect(paths).toEqual(['/first', '/second'])
  })

  it('waits while what was taken is answered, so that answers keep their order', async () => {
    const { socket, received } = await client()
    socket.write(`${ASIDE} 1`)
    await whenTaken()
    await send(socket, SECOND)
    await send(socket, FIRST)
    expect(paths).toEqual(['/first'])
    taken[0]?.answer()
    await eventually(() => expect(paths).toEqual(['/first', '/second', '/first']))
    await eventually(() => expect(received()).toMatch(/^answer to ASIDE 1HTTP.*\/secondHTTP.*\/first$/s))
  })

  it('is not read beyond a hundred kilobytes that wait', async () => {
    const { socket } = await client()
    socket.write(`${ASIDE} 1`)
    await whenTaken()
    const requests = Array.from({ length: 16 }, (_, i) => FIRST.replace('first', `${i}?${'x'.repeat(8_192)}`))
    for (const request of requests) {
      expect(waitsToBeRead(connection)).toBe(false)
      await send(socket, request)
    }
    expect(waitsToBeRead(connection)).toBe(true)
    const bytes = connection.bytesRead
    await new Promise(sent => socket.write(requests[0] as string, sent))
    for (let turn = 0; turn < TURNS; turn++) await nextTurn()
    expect(connection.bytesRead).toBe(bytes)
    taken[0]?.answer()
    expect(waitsToBeRead(connection)).toBe(false)
    await eventually(() => expect(paths).toHaveLength(2 + requests.length))
  })

  it('can be taken again from what waits', async () => {
    const { socket } = await client()
    socket.write(`${ASIDE} 1`)
    await whenTaken()
    for (const bytes of [`${ASIDE} 2`, SECOND, `${ASIDE} 3`]) await send(socket, bytes)
    taken[0]?.answer()
    await whenTaken(2)
    expect(paths).toEqual(['/first'])
    taken[1]?.answer()
    await whenTaken(3)
    expect(paths).toEqual(['/first', '/second'])
  })

  it('ends once what was taken is answered', async () => {
    const { socket } = await client()
    const answers = text(socket)
    socket.end(`${ASIDE} 1`)
    await whenTaken()
    taken[0]?.answer()
    expect(await answers).toBe(`answer to ${ASIDE} 1`)
  })

  it('costs the client its connection if it holds too much', async () => {
    const { socket } = await client()
    socket.write(`${ASIDE} 1`)
    await whenTaken()
    await send(socket, 'x'.repeat(130_000))
    socket.write('x'.repeat(MAX_HELD))
    await eventually(() => expect(socket.closed).toBe(true))
    taken[0]?.answer()
    expect(paths).toEqual(['/first'])
  })

  it('holds nothing once its connection is closed', async () => {
    for (let i = 0; i < 3; i++) {
      const { socket } = await client()
      socket.write(`${ASIDE} 1`)
      await whenTaken(i + 1)
      await send(socket, 'x'.repeat(MAX_HELD / 2))
      expect(connection.destroyed).toBe(false)
      const closed = once(connection, 'close')
      connection.destroy()
      await closed
    }
  })
})
