import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, expect, it } from '@jest/globals'
import { disconnect } from '../../../src/connections/disconnect.ts'

const HEAD = 'POST / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n'
const CHUNK = '1\r\na\r\n'

let server: Server
let chunks: number
let onChunk: (request: IncomingMessage) => void

beforeEach(async () => {
  chunks = 0
  server = createServer((request, response) => {
    countChunks(request)
    text(request).then(
      body => response.end(`${body.length} bytes`),
      () => undefined,
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})
afterEach(async () => {
  server.close()
  server.closeAllConnections()
})

/** Counts the parts of a body that Node's parser hands over, whether they are read or not. */
function countChunks(request: IncomingMessage): void {
  const push = request.push.bind(request)
  request.push = chunk => {
    if (chunk !== null) {
      chunks++
      onChunk(request)
    }
    return push(chunk)
  }
}

async function send(bytes: string): Promise<string> {
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  socket.on('error', () => undefined)
  socket.write(bytes)
  return text(socket).catch(() => '')
}

it('the rest of what a disconnected client has sent is not handled', async () => {
  onChunk = ({ socket }) => disconnect(socket)
  expect(await send(HEAD + CHUNK.repeat(1_000))).toBe('')
  expect(chunks).toBe(1)
})

it('bodies of later clients are handled, whose connections have the same parsers', async () => {
  onChunk = ({ socket }) => disconnect(socket)
  for (let i = 0; i < 5; i++) await send(HEAD + CHUNK.repeat(1_000))
  onChunk = () => undefined
  for (let i = 0; i < 5; i++) expect(await send(`${HEAD}${CHUNK.repeat(7)}0\r\n\r\n`)).toMatch(/7 bytes/)
})
