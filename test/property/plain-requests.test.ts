import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { type PlainRequest, readPlainRequest } from '../../src/http/plain-request.ts'
import { PROPERTY_TIMEOUT_MS, runs } from '../support/property-runs.ts'

const LINE = 'POST /check HTTP/1.1\r\n'

let server: Server
/** What Node's parser has read of the last connection. */
let received: { request: IncomingMessage; body: Buffer }[] = []

beforeAll(async () => {
  server = createServer(async (request, response) => {
    const body = await buffer(request)
    received.push({ request, body })
    response.shouldKeepAlive = false
    response.end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})
afterAll(async () => {
  server.close()
  await once(server, 'close')
})

async function parsedByNode(bytes: Buffer): Promise<typeof received> {
  received = []
  const socket = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1' })
  socket.end(bytes)
  await buffer(socket)
  return received
}

const anyCase = (text: string) =>
  fc
    .infiniteStream(fc.boolean())
    .map(upper => [...text].map(letter => (upper.next().value ? letter.toUpperCase() : letter)).join(''))
const name = fc.oneof(
  {
    weight: 3,
    arbitrary: fc
      .constantFrom('content-type', 'authorization', 'x-request-id', 'x-forwarded-for', 'accept')
      .chain(anyCase),
  },
  fc
    .constantFrom('connection', 'host', 'content-length', 'transfer-encoding', 'te', 'trailer', 'x y', 'é', '')
    .chain(anyCase),
)
const value = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.constantFrom('application/json', 'a b', 'keep-alive', 'close', 'chunked', '', '12', '\xff', '"q"'),
  },
  fc.string({ unit: 'binary-ascii', maxLength: 12 }),
)
const space = fc.constantFrom('', ' ', '\t', '  ', '\x0b')
const field = fc
  .tuple(name, space, value, space)
  .map(([name, before, value, after]) => `${name}:${before}${value}${after}`)
const ending = fc.oneof({ weight: 20, arbitrary: fc.constant('\r\n') }, fc.constantFrom('\n', '\r', '\r\r\n', '\r\n '))

/** Requests that are often plain. */
const request = fc
  .record({
    fields: fc.array(field, { maxLength: 5 }),
    ending,
    length: fc.oneof({ weight: 6, arbitrary: fc.constant(0) }, fc.integer({ min: -2, max: 2 })),
    body: fc.uint8Array({ maxLength: 20, max: 127 }),
    host: fc.oneof({ weight: 6, arbitrary: fc.constant('Host: localhost\r\n') }, fc.constant('')),
  })
  .map(({ fields, ending, length, body, host }) => {
    const lines = fields.map((text, i) => text + (i === 0 ? ending : '\r\n')).join('')
    const head = `${LINE}${host}${lines}Content-Length: ${body.length + length}\r\n\r\n`
    return Buffer.concat([Buffer.from(head, 'latin1'), body])
  })

/** The same with a byte that is replaced, removed or inserted. */
const bytes = fc.oneof(
  request,
  fc
    .tuple(request, fc.nat(), fc.constantFrom(0, 1), fc.uint8Array({ maxLength: 1 }))
    .map(([bytes, place, removed, inserted]) => {
      const at = place % bytes.length
      return Buffer.concat([bytes.subarray(0, at), inserted, bytes.subarray(at + removed)])
    }),
)

it(
  'what is read as a plain request is one request for Node’s parser, with the same fields and body',
  async () => {
    let plain = 0
    await fc.assert(
      fc.asyncProperty(bytes, async bytes => {
        const read = readPlainRequest(bytes, LINE)
        if (read === undefined) return
        plain++
        expectSame(read, await parsedByNode(bytes))
      }),
      runs(2_000, 100_000),
    )
    expect(plain).toBeGreaterThan(20)
  },
  PROPERTY_TIMEOUT_MS,
)

function expectSame({ fields, body }: PlainRequest, byNode: typeof received): void {
  expect(byNode).toHaveLength(1)
  const [{ request, body: bodyByNode }] = byNode as [(typeof received)[0]]
  expect(`${request.method} ${request.url} HTTP/${request.httpVersion}\r\n`).toBe(LINE)
  expect(request.headers).toMatchObject(fields)
  expect(bodyByNode).toEqual(body)
}
