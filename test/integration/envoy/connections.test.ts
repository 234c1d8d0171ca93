import { once } from 'node:events'
import { connect, Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals'
import type { AskedCheck, OnResult } from '../../../src/check/pending-check.ts'
import { eventually } from '../../support/eventually.ts'
import { TestGrpcServer } from '../../support/grpc-server.ts'
import { answerTo, framed, Http2Client } from '../../support/http2-client.ts'
import { pauseProcess } from '../../support/pause-process.ts'
import { HeldChecker } from '../../support/resp-server.ts'

/** The domain `edge`, with the descriptor `a`=`b`. */
const MESSAGE = Buffer.from('0a04656467651208' + '0a060a01611201' + '62', 'hex')
const REQUEST = framed(MESSAGE)
const SECOND_DESCRIPTOR = Buffer.from('12080a060a0161120163', 'hex')

/** The type of a frame. */
const GOAWAY = 7

class RecordingChecker extends HeldChecker {
  readonly asked: AskedCheck[] = []

  override readonly check = (asked: AskedCheck, onResult: OnResult): void => {
    this.asked.push(asked)
    this.checkAll([asked], onResult)
  }
}

let checker: RecordingChecker
let server: TestGrpcServer
let client: Http2Client
beforeEach(async () => {
  checker = new RecordingChecker()
  server = await TestGrpcServer.start(checker)
  client = new Http2Client(server.port)
})
afterEach(async () => {
  checker.release()
  await Promise.all([server.close(), client.close()])
})

describe('a call', () => {
  it('is answered with one message and its status', async () => {
    const { status, grpcStatus, body } = await client.ask(REQUEST)
    expect({ status, grpcStatus }).toEqual({ status: 200, grpcStatus: '0' })
    expect(body.subarray(0, 1)).toEqual(Buffer.from([0]))
    expect(body.length).toBe(5 + body.readUInt32BE(1))
  })

  it('can arrive byte by byte', async () => {
    const stream = client.open()
    const answer = answerTo(stream)
    for (const byte of REQUEST) await new Promise(resolve => stream.write(Buffer.from([byte]), resolve))
    stream.end()
    expect(await answer).toMatchObject({ grpcStatus: '0' })
  })

  it.each([
    ['a compressed message', framed(MESSAGE, { flag: 1 }), {}, '12'],
    ['a message that announces a gigabyte', framed(MESSAGE, { length: 2 ** 30 }), {}, '8'],
    ['a message that is cut off', REQUEST.subarray(0, -1), {}, '3'],
    ['no message', Buffer.alloc(0), {}, '3'],
    ['two messages', Buffer.concat([REQUEST, REQUEST]), {}, '3'],
    ['a message that is not protobuf', framed(Buffer.from([0x0f, 1, 2])), {}, '3'],
    ['a field that is longer than the message', framed(Buffer.from('0aff', 'hex')), {}, '3'],
    ['a number that does not end', framed(Buffer.alloc(20, 0xff)), {}, '3'],
    ['a malformed timeout', REQUEST, { 'grpc-timeout': '20 ms' }, '3'],
    ['an unknown method', REQUEST, { ':path': '/envoy.Other/Method' }, '12'],
  ])('with %s gets a status', async (_name, body, headers, grpcStatus) => {
    expect(await client.ask(body, headers)).toMatchObject({ status: 200, grpcStatus })
    expect(await client.ask(REQUEST)).toMatchObject({ grpcStatus: '0' })
  })

  it.each([
    ['another media type', { 'content-type': 'application/json' }, 415, /content type is application\/grpc/],
    ['another method of HTTP', { ':method': 'PUT' }, 405, /use POST/],
    ['the method HEAD', { ':method': 'HEAD' }, 405, /^$/],
  ])('with %s is refused by HTTP', async (_name, headers, status, text) => {
    const { body, ...answer } = await client.ask(REQUEST, headers)
    expect(answer).toMatchObject({ status, grpcStatus: undefined })
    expect(body.toString()).toMatch(text)
    expect(await client.ask(REQUEST)).toMatchObject({ grpcStatus: '0' })
  })

  it('that is refused by HTTP is read to its end first', async () => {
    const stream = client.open({ ':method': 'PUT' })
    let hasAnswer = false
    stream.once('response', () => {
      hasAnswer = true
    })
    const answer = answerTo(stream)
    stream.write(REQUEST)
    expect(await client.ask(REQUEST)).toMatchObject({ grpcStatus: '0' })
    expect(hasAnswer).toBe(false)
    stream.end()
    expect(await answer).toMatchObject({ status: 405 })
  })

  it('with values of 8 KiB and bytes that are not UTF-8 is decided', async () => {
    const value = Buffer.alloc(8_192, 0xfe)
    const field = (number: number, bytes: Buffer) =>
      Buffer.concat([Buffer.from([number * 8 + 2, (bytes.length & 127) | 128, bytes.length >> 7]), bytes])
    const entry = Buffer.concat([Buffer.from('0a0161', 'hex'), field(2, value)])
    const message = Buffer.concat([Buffer.from('0a0465646765', 'hex'), field(2, field(1, entry))])
    expect(await client.ask(framed(message))).toMatchObject({ grpcStatus: '0' })
    expect(checker.asked[0]?.key).toMatch(/^rls;edge;a=(%FE)+(%F?)?;#[\w-]{43}$/)
  })
})

describe('a deadline', () => {
  it('gives the check up before it, so that the answer arrives in time', async () => {
    const startMs = performance.now()
    await client.ask(REQUEST, { 'grpc-timeout': '20S' })
    const { deadlineMs = 0 } = checker.asked[0] ?? {}
    expect(deadlineMs).toBeGreaterThanOrEqual(startMs + 19_990)
    expect(deadlineMs).toBeLessThanOrEqual(performance.now() + 19_990)
  })

  it('of a short time gives the check up after half of it', async () => {
    const startMs = performance.now()
    await client.ask(REQUEST, { 'grpc-timeout': '4m' })
    const { deadlineMs = 0 } = checker.asked[0] ?? {}
    expect(deadlineMs).toBeGreaterThan(startMs)
    expect(deadlineMs).toBeLessThan(performance.now() + 2)
  })

  it('is none without a timeout', async () => {
    await client.ask(REQUEST)
    expect(checker.asked[0]?.deadlineMs).toBe(Number.POSITIVE_INFINITY)
  })
})

describe('a connection', () => {
  it('has up to 32 calls under way, each of which is answered by itself', async () => {
    await once(client.session, 'remoteSettings')
    expect(client.session.remoteSettings.maxConcurrentStreams).toBe(32)
    const answers = await Promise.all(Array.from({ length: 100 }, () => client.ask(REQUEST)))
    expect(new Set(answers.map(({ grpcStatus }) => grpcStatus))).toEqual(new Set(['0']))
  })

  it('survives calls that are reset at once', async () => {
    for (let i = 0; i < 200; i++) {
      const stream = client.open()
      stream.write(REQUEST.subarray(0, i % 20))
      stream.close(8)
    }
    expect(await client.ask(REQUEST)).toMatchObject({ grpcStatus: '0' })
  })

  it('ends after a flood of resets, and others go on', async () => {
    await client.ask(REQUEST)
    const flood = new Http2Client(server.port)
    for (let i = 0; i < 5_000; i++) flood.open().close(8)
    await new Promise(resolve => flood.session.once('close', resolve))
    expect(await client.ask(REQUEST)).toMatchObject({ grpcStatus: '0' })
  })

  it('ends if it does not speak HTTP/2', async () => {
    const socket = connect(server.port, '127.0.0.1')
    socket.resume()
    socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
    await once(socket, 'close')
    expect(await client.ask(REQUEST)).toMatchObject({ grpcStatus: '0' })
  })

  it('drops the calls of a client that disconnects', async () => {
    checker.isHolding = true
    const answer = client.ask(Buffer.concat([framed(Buffer.concat([MESSAGE, SECOND_DESCRIPTOR]))]))
    await eventually(() => expect(checker.waiting).toBe(2))
    client.close()
    await answer
    checker.release()
    await eventually(async () => expect(await server.connections()).toBe(0))
  })
})

describe('a server that closes', () => {
  it('announces it, answers the calls that cross the announcement, and closes', async () => {
    const distant = Http2Client.delayed(server.port, 100)
    await distant.ask(REQUEST)
    const announced = once(distant.session, 'goaway')
    const ended = once(distant.session, 'close')
    checker.isHolding = true
    const underWay = distant.ask(REQUEST)
    await eventually(() => expect(checker.waiting).toBe(1))
    const closed = server.close()
    const crossing = distant.ask(REQUEST)
    const [code, lastStreamId] = await announced
    expect({ code, lastStreamId }).toEqual({ code: 0, lastStreamId: 2 ** 31 - 1 })
    await eventually(() => expect(checker.waiting).toBe(2))
    checker.release()
    expect([await underWay, await crossing]).toEqual([
      expect.objectContaining({ grpcStatus: '0' }),
      expect.objectContaining({ grpcStatus: '0' }),
    ])
    await Promise.all([closed, ended])
  })

  it('takes its leave of a few clients in each turn of the event loop', async () => {
    const clients = Array.from({ length: 40 }, () => new Http2Client(server.port))
    await Promise.all(clients.map(({ session }) => once(session, 'remoteSettings')))
    const { write } = Socket.prototype
    let [turn, most, all] = [0, 0, 0]
    const goaways = jest.spyOn(Socket.prototype, 'write').mockImplementation(function (this: Socket, ...args) {
      if (Buffer.isBuffer(args[0]) && args[0][3] === GOAWAY) {
        most = Math.max(most, ++turn)
        all++
      }
      return (write as (...args: unknown[]) => boolean).apply(this, args)
    })
    const closed = server.close()
    while (all < clients.length) {
      turn = 0
      await new Promise(setImmediate)
    }
    goaways.mockRestore()
    expect(most).toBeLessThanOrEqual(10)
    await closed
  })

  it('answers a call that waits for the store, however slow the store is', async () => {
    checker.isHolding = true
    const answer = client.ask(REQUEST)
    await eventually(() => expect(checker.waiting).toBe(1))
    const closed = server.close(60_000)
    // Longer than clients have to read their responses.
    await sleep(2_000)
    checker.release()
    expect(await answer).toMatchObject({ grpcStatus: '0' })
    await closed
  })

  it('does not wait for those who watch its health', async () => {
    const watch = client.open({ ':path': '/grpc.health.v1.Health/Watch' })
    const answer = answerTo(watch)
    watch.end(framed(Buffer.alloc(0)))
    await once(watch, 'data')
    await server.close()
    expect(await answer).toMatchObject({ grpcStatus: '14' })
  })

  it('answers its calls also if its process was suspended meanwhile', async () => {
    const watch = client.open({ ':path': '/grpc.health.v1.Health/Watch' })
    const answer = answerTo(watch)
    watch.end(framed(Buffer.alloc(0)))
    await once(watch, 'data')
    const closed = server.close()
    await new Promise(setImmediate)
    pauseProcess(2_000)
    expect(await answer).toMatchObject({ grpcStatus: '14' })
    await closed
  })
})

describe('once every connection is taken', () => {
  let full: TestGrpcServer
  afterEach(() => full.close())

  /** A client of another address. Returns what becomes of its call. */
  async function askFromElsewhere(): Promise<string | undefined> {
    const socket = connect({ host: '127.0.0.1', port: full.port, localAddress: '127.0.0.2' })
    const other = new Http2Client(full.port, { createConnection: () => socket })
    const { grpcStatus } = await other.ask(REQUEST)
    other.close()
    return grpcStatus
  }

  it('a connection with a call under way stays, and one that only watches the health gives way', async () => {
    full = await TestGrpcServer.start(checker, 1)
    const first = new Http2Client(full.port)
    const watch = first.open({ ':path': '/grpc.health.v1.Health/Watch' })
    watch.end(framed(Buffer.alloc(0)))
    await once(watch, 'data')
    checker.isHolding = true
    const answer = first.ask(REQUEST)
    await eventually(() => expect(checker.waiting).toBe(1))
    expect(await askFromElsewhere()).toBeUndefined()
    checker.release()
    expect(await answer).toMatchObject({ grpcStatus: '0' })
    expect(await askFromElsewhere()).toBe('0')
    if (!watch.closed) await once(watch, 'close')
    first.close()
  })
})
