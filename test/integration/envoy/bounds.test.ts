import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { Readable } from 'node:stream'
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals'
import { LargeRequests } from '../../../src/connections/large-requests.ts'
import { readingTurns } from '../../../src/connections/paced-reading.ts'
import { SocketTurns } from '../../../src/connections/socket-turns.ts'
import type { Method } from '../../../src/grpc/call.ts'
import { GrpcConnection } from '../../../src/grpc/grpc-connection.ts'
import { RefusedCalls } from '../../../src/grpc/refused-calls.ts'
import { UNKNOWN_METHOD } from '../../../src/grpc/unknown-method.ts'
import { FewPerTurn } from '../../../src/lib/few-per-turn.ts'
import { eventually } from '../../support/eventually.ts'
import { answerTo, framed, Http2Client } from '../../support/http2-client.ts'
import {
  DATA,
  END_HEADERS,
  END_STREAM,
  frame,
  HEADERS,
  PREFACE,
  PRIORITY,
  SETTINGS,
} from '../../support/http2-frames.ts'

const KIB = 1024
/** `:method: POST` and `:scheme: http` of HPACK's table, a path and an authority; and a content type. */
const HEAD = Buffer.from('\x83\x86\x04\x02/a\x01\x01b', 'latin1')
const GRPC = Buffer.from('\x0f\x10\x10application/grpc', 'latin1')

/** Longer than a client may take. */
const LATER_MS = 10_001

/** Answers no call before the test says so. */
class Calls implements Method {
  readonly name = 'a'
  readonly lengths: number[] = []
  admission: ReturnType<NonNullable<Method['admit']>>
  /** Of each message. */
  fields = 0

  admit(): typeof this.admission {
    return this.admission
  }

  countFields(): number {
    return this.fields
  }

  answer: Method['answer'] = message => {
    this.lengths.push(message.length)
  }
}

let calls: Calls
let server: Server
let connections: GrpcConnection[]
let held: number
let sockets: Socket[]
beforeEach(async () => {
  calls = new Calls()
  connections = []
  sockets = []
  held = 0
  const context = {
    methods: new Map([['/a', calls]]),
    unknownMethod: UNKNOWN_METHOD,
    observer: { callAnswered: () => undefined },
    failed: (err: unknown) => {
      throw err
    },
    reading: readingTurns(),
    callTurns: new SocketTurns({ perTurn: 128, turnsToRest: 3 }),
    endings: new FewPerTurn<GrpcConnection>(10),
    countCall: () => undefined,
    refusedCalls: new RefusedCalls(),
    bar: () => undefined,
    largeRequests: new LargeRequests(new AbortController().signal),
    hold: (bytes: number) => {
      held = bytes
    },
  }
  server = createServer(socket => {
    sockets.push(socket)
    connections.push(new GrpcConnection(socket, context))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})
afterEach(async () => {
  for (const socket of sockets) socket.destroy()
  server.close()
  await once(server, 'close')
})

const port = () => (server.address() as AddressInfo).port

/** A client that has sent these bytes, which have arrived, unless the server has ended the connection before. */
async function send(...bytes: readonly Buffer[]): Promise<Socket> {
  const client = connect(port(), '127.0.0.1')
  sockets.push(client)
  client.on('error', () => undefined)
  client.resume()
  const all = Buffer.concat(bytes)
  client.write(all)
  await eventually(() => {
    if (!client.destroyed) expect(sockets.find(isServerSide)?.bytesRead).toBe(all.length)
  })
  return client
}

const isServerSide = ({ localPort }: Socket) => localPort === port()

/** The time left to a client after a while, as `look` sees it. */
function leftMs(afterMs: number): number {
  const nowMs = performance.now()
  connections[0]?.look(nowMs)
  return connections[0]?.look(nowMs + afterMs) ?? 0
}

describe('a connection is too slow', () => {
  it.each([
    ['without a byte', []],
    ['with a part of the preface', [PREFACE.subarray(0, 10)]],
    ['with the preface only', [PREFACE]],
    ['with a part of a head', [PREFACE, frame(SETTINGS, 0, 0), frame(HEADERS, 0, 1, HEAD)]],
    [
      'with a part of the frame of a head',
      [PREFACE, frame(SETTINGS, 0, 0), frame(HEADERS, 0, 1, HEAD).subarray(0, -1)],
    ],
    [
      'with a part of a message',
      [PREFACE, frame(SETTINGS, 0, 0), frame(HEADERS, END_HEADERS, 1, Buffer.concat([HEAD, GRPC]))],
    ],
  ])('%s', async (_name, bytes) => {
    await send(...bytes)
    await eventually(() => expect(leftMs(LATER_MS)).toBeLessThanOrEqual(0))
    expect(leftMs(LATER_MS / 2)).toBeGreaterThan(0)
  })

  it('never if it has asked nothing, or was answered', async () => {
    const client = new Http2Client(port())
    await once(client.session, 'remoteSettings')
    await eventually(() => expect(leftMs(LATER_MS)).toBeGreaterThan(0))
    await client.ask(Buffer.alloc(0), { ':path': '/b' })
    expect(leftMs(LATER_MS)).toBeGreaterThan(0)
    client.close()
  })
})

describe('a head', () => {
  it('has 16 KiB at most', async () => {
    const client = new Http2Client(port())
    await once(client.session, 'remoteSettings')
    expect(await client.ask(Buffer.alloc(0), { ':path': '/b', a: 'x'.repeat(15 * KIB) })).toMatchObject({
      grpcStatus: '12',
    })
    const refused = client.ask(Buffer.alloc(0), { ':path': '/b', a: 'x'.repeat(17 * KIB) })
    await expect(refused).rejects.toThrow('NGHTTP2_ENHANCE_YOUR_CALM')
    client.close()
  })

  it('counts in the memory of requests while it arrives', async () => {
    await send(PREFACE, frame(SETTINGS, 0, 0), frame(HEADERS, 0, 1, HEAD))
    await eventually(() => {
      leftMs(0)
      expect(held).toBeGreaterThanOrEqual(64 * KIB)
    })
  })

  it('counts while its message is missing', async () => {
    const client = new Http2Client(port())
    const streams = Array.from({ length: 3 }, () => client.open({ ':path': '/a' }))
    await eventually(() => {
      leftMs(0)
      expect(held).toBeGreaterThanOrEqual(3 * 20 * KIB)
    })
    for (const stream of streams) stream.end(framed(Buffer.alloc(10)))
    await eventually(() => expect(calls.lengths).toEqual([10, 10, 10]))
    expect(held).toBe(0)
    client.close()
  })
})

describe('a message', () => {
  it('counts with the memory that it takes, until it is handled or its call is given up', async () => {
    const client = new Http2Client(port())
    const [first, second] = [client.open({ ':path': '/a' }), client.open({ ':path': '/a' })]
    const whole = framed(Buffer.alloc(50 * KIB))
    first.write(whole.subarray(0, 40 * KIB))
    second.write(whole.subarray(0, 40 * KIB))
    await eventually(() => expect(held).toBeGreaterThanOrEqual(80 * KIB))
    expect(held).toBeLessThan(2 * 80 * KIB + 16 * KIB)
    first.end(whole.subarray(40 * KIB))
    second.close()
    await eventually(() => expect(calls.lengths).toEqual([50 * KIB]))
    await eventually(() => expect(held).toBe(0))
    client.close()
  })

  it.each([
    ['is large', 40 * KIB, 0],
    ['has many fields', 1 * KIB, 402],
  ])('that %s is handled in its turn, one in a turn of the event loop', async (_name, bytes, fields) => {
    calls.fields = fields
    const client = new Http2Client(port())
    const whole = framed(Buffer.alloc(bytes))
    for (let i = 0; i < 10; i++) client.open({ ':path': '/a' }).end(whole)
    let most = 0
    for (let seen = 0; seen < 10; seen = calls.lengths.length) {
      await new Promise(setImmediate)
      most = Math.max(most, calls.lengths.length - seen)
    }
    expect(most).toBe(1)
    client.close()
  })
})

it('a call that stays open counts in the memory of requests until it has ended', async () => {
  calls.answer = (_message, responder) => responder.send(Buffer.alloc(0))
  const client = new Http2Client(port())
  const streams = Array.from({ length: 3 }, () => client.open({ ':path': '/a' }).end(framed(Buffer.alloc(0))))
  await eventually(() => expect(held).toBe(3 * 16 * KIB))
  for (const stream of streams) stream.close()
  await eventually(() => expect(held).toBe(0))
  client.close()
})

it('an answer that its client does not accept counts in the memory of requests once it has waited', async () => {
  calls.answer = (_message, responder) => responder.finish(Buffer.alloc(10))
  const client = new Http2Client(port(), { settings: { initialWindowSize: 0 } })
  const streams = Array.from({ length: 3 }, () => client.open({ ':path': '/a' }).end(framed(Buffer.alloc(0))))
  await Promise.all(streams.map(stream => once(stream, 'response')))
  connections[0]?.look(performance.now())
  expect(held).toBe(0)
  connections[0]?.look(performance.now())
  expect(held).toBeGreaterThanOrEqual(3 * 16 * KIB)
  for (const stream of streams) stream.close()
  await eventually(() => expect(held).toBe(0))
  client.close()
})

describe('a request in thousands of small parts', () => {
  const PUT = Buffer.from('\x02\x03PUT\x86\x04\x02/a\x01\x01b', 'latin1')
  const UNKNOWN_METHOD = Buffer.from('\x83\x86\x04\x02/b\x01\x01b', 'latin1')
  const announced = frame(DATA, 0, 1, framed(Buffer.alloc(0), { length: 1024 * KIB }))
  const parts = Buffer.concat(Array.from({ length: 4_000 }, () => frame(DATA, 0, 1, Buffer.from('x'))))

  let handled: number
  beforeEach(() => {
    handled = 0
    const { push } = Readable.prototype
    jest.spyOn(Readable.prototype, 'push').mockImplementation(function (this: Readable, part, encoding) {
      if (part?.length === 1) handled++
      return push.call(this, part, encoding)
    })
  })
  afterEach(() => void jest.restoreAllMocks())

  it.each([
    ['that is a call', [HEAD, GRPC]],
    ['that waits for its admission', [HEAD, GRPC], new Promise<undefined>(() => undefined)],
    ['of another media type', [HEAD]],
    ['that is not a POST', [PUT]],
  ])('%s ends the connection, which handles a hundred of them', async (_name, head, admission = undefined) => {
    calls.admission = admission
    const client = connect(port(), '127.0.0.1')
    sockets.push(client)
    client.on('error', () => undefined).resume()
    client.write(
      Buffer.concat([
        PREFACE,
        frame(SETTINGS, 0, 0),
        frame(HEADERS, END_HEADERS, 1, Buffer.concat(head)),
        announced,
        parts,
      ]),
    )
    await once(client, 'close')
    expect(handled).toBeGreaterThan(90)
    expect(handled).toBeLessThan(120)
    expect(calls.lengths).toEqual([])
  })

  // In Node.js 20 an answered request gets no more parts. In Node.js 24 it does, so they end the connection.
  it.each([
    ['that is not admitted', [HEAD, GRPC], { name: 'UNAUTHENTICATED', message: '' } as const],
    ['of an unknown method', [UNKNOWN_METHOD, GRPC]],
  ])('%s has no more than a hundred of them handled', async (_name, head, admission = undefined) => {
    calls.admission = admission
    await send(PREFACE, frame(SETTINGS, 0, 0), frame(HEADERS, END_HEADERS, 1, Buffer.concat(head)), announced, parts)
    expect(handled).toBeLessThan(120)
    expect(calls.lengths).toEqual([])
  })

  it('counts those of all requests of the connection', async () => {
    const requests = Array.from({ length: 12 }, (_, i) => [
      frame(HEADERS, END_HEADERS, 2 * i + 1, Buffer.concat([HEAD, GRPC])),
      frame(DATA, 0, 2 * i + 1, framed(Buffer.alloc(0), { length: KIB })),
      ...Array.from({ length: 20 }, () => frame(DATA, 0, 2 * i + 1, Buffer.from('x'))),
    ])
    const client = connect(port(), '127.0.0.1')
    sockets.push(client)
    client.on('error', () => undefined).resume()
    client.write(Buffer.concat([PREFACE, frame(SETTINGS, 0, 0), ...requests.flat()]))
    await once(client, 'close')
    expect(handled).toBeLessThan(220)
  })
})

describe('frames of PRIORITY', () => {
  const priorities = (count: number) =>
    Array.from({ length: count }, (_, i) => frame(PRIORITY, 0, 2 * i + 101, Buffer.alloc(5)))

  const itWhereReported = Number.parseInt(process.versions.node, 10) < 24 ? it : it.skip
  itWhereReported('end a connection that sends thousands', async () => {
    const client = connect(port(), '127.0.0.1')
    sockets.push(client)
    client.on('error', () => undefined).resume()
    client.write(Buffer.concat([PREFACE, frame(SETTINGS, 0, 0), ...priorities(5_000)]))
    await once(client, 'close')
  })

  it('are skipped if there are few', async () => {
    const call = [
      frame(HEADERS, END_HEADERS, 1, Buffer.concat([HEAD, GRPC])),
      frame(DATA, END_STREAM, 1, framed(Buffer.alloc(3))),
    ]
    await send(PREFACE, frame(SETTINGS, 0, 0), ...priorities(20), ...call)
    await eventually(() => expect(calls.lengths).toEqual([3]))
  })
})

it('a request that is refused is answered after 64 KiB', async () => {
  const client = new Http2Client(port())
  const stream = client.open({ ':method': 'PUT' })
  const answer = answerTo(stream)
  const write = () => stream.write(Buffer.alloc(16 * KIB), () => stream.closed || write())
  write()
  expect(await answer).toMatchObject({
    status: 405,
    body: Buffer.from('This port answers calls of gRPC, which use POST.\n'),
  })
  expect(await client.ask(Buffer.alloc(0), { ':path': '/b' })).toMatchObject({ grpcStatus: '12' })
  client.close()
})
