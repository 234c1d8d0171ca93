import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals'
import { eventually } from '../../support/eventually.ts'
import { TestGrpcServer } from '../../support/grpc-server.ts'
import { framed, Http2Client } from '../../support/http2-client.ts'
import {
  ACK,
  DATA,
  END_STREAM,
  frame,
  PING,
  PREFACE,
  requestHead,
  resetOf,
  SETTINGS,
} from '../../support/http2-frames.ts'
import { HeldChecker } from '../../support/resp-server.ts'

const PATHS = {
  limit: '/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit',
  health: '/grpc.health.v1.Health/Check',
}

/** The domain `edge`, with the descriptor `a`=`b`. */
const REQUEST = framed(Buffer.from('0a04656467651208' + '0a060a01611201' + '62', 'hex'))

const PINGED = Buffer.from('finished')

const UNKNOWN_TYPE = 0x20

/** The server looks for floods four times a second. */
const SEVERAL_LOOKS_MS = 600

/** Error codes of HTTP/2. */
const [NO_ERROR, CANCEL] = [0, 8]

const head = (method: string, path: string) => requestHead(1, method, path)
const data = (part: Buffer, flags = 0) => frame(DATA, flags, 1, part)

const reset = (code: number) => resetOf(1, code)

/** Calls that are begun and reset. */
const abandoned = (count: number) =>
  Array.from({ length: count }, (_, i) => [
    requestHead(2 * i + 1, 'POST', '/unknown'),
    resetOf(2 * i + 1, CANCEL),
  ]).flat()

let checker: HeldChecker
let server: TestGrpcServer
let client: Http2Client
let attacker: Socket
beforeEach(async () => {
  checker = new HeldChecker()
  server = await TestGrpcServer.start(checker)
  client = new Http2Client(server.port)
  attacker = open('127.0.0.1')
  await once(client.session, 'remoteSettings')
})
afterEach(async () => {
  jest.restoreAllMocks()
  checker.release()
  attacker.destroy()
  client.close()
  await server.close()
})

/** Opens a connection of the attacker from this address. */
function open(localAddress: string): Socket {
  const socket = connect({ port: server.port, host: '127.0.0.1', localAddress })
  socket.on('error', () => undefined).resume()
  socket.write(Buffer.concat([PREFACE, frame(SETTINGS, 0, 0)]))
  return socket
}

/** Slows the clock of the server, so that ten seconds are enough for the test on a busy machine too. */
function slowTheClock(): void {
  const now = performance.now.bind(performance)
  const startMs = now()
  jest.spyOn(performance, 'now').mockImplementation(() => startMs + (now() - startMs) / 20)
}

/** Sends the bytes. Resolves once the server has handled them, or has closed the connection. */
async function sendAll(...bytes: readonly Buffer[]): Promise<void> {
  const arrived: Buffer[] = []
  attacker.on('data', chunk => arrived.push(chunk))
  attacker.write(Buffer.concat([...bytes, frame(PING, 0, 0, PINGED)]))
  await eventually(() => expect(attacker.closed || Buffer.concat(arrived).includes(PINGED)).toBe(true))
}

describe.each([NO_ERROR, CANCEL])('a call that its client resets with the code %i', code => {
  it.each([
    ['before its message', [head('POST', PATHS.health)]],
    ['before the end of its message', [head('POST', PATHS.limit), data(REQUEST.subarray(0, -1))]],
    ['after its message', [head('POST', PATHS.limit), data(REQUEST)]],
    ['while its request is refused', [head('PUT', PATHS.health)]],
    ['while a request without a response body is refused', [head('HEAD', PATHS.health)]],
    ['after its answer', [head('POST', '/unknown')]],
  ])('%s harms no other', async (_name, request) => {
    await sendAll(...request, reset(code), data(REQUEST), reset(code))
    expect(await client.ask(REQUEST)).toMatchObject({ grpcStatus: '0' })
  })

  it('while it is decided harms no other', async () => {
    checker.isHolding = true
    attacker.write(Buffer.concat([head('POST', PATHS.limit), data(REQUEST, END_STREAM)]))
    await eventually(() => expect(checker.waiting).toBe(1))
    attacker.write(reset(code))
    checker.release()
    await sendAll(reset(code))
    expect(await client.ask(REQUEST)).toMatchObject({ grpcStatus: '0' })
  })
})

describe('a connection whose calls and resets arrive together', () => {
  it('stays with as many as come together while a process is busy for a while', async () => {
    await sendAll(...abandoned(300))
    expect(attacker.closed).toBe(false)
  })

  it('ends with more', async () => {
    await sendAll(...abandoned(900))
    expect(attacker.closed).toBe(true)
    expect(server.answered.length).toBeLessThanOrEqual(320)
    expect(await client.ask(REQUEST)).toMatchObject({ grpcStatus: '0' })
  })

  it('bars its address when seventeen in a row end so, and not before', async () => {
    slowTheClock()
    for (const begins of [...Array(17).fill(true), false]) {
      attacker.destroy()
      attacker = open('127.0.0.2')
      const before = server.answered.length
      await sendAll(...abandoned(900))
      expect(attacker.closed).toBe(true)
      expect(server.answered.length > before).toBe(begins)
    }
    expect(await client.ask(REQUEST)).toMatchObject({ grpcStatus: '0' })
  })
})

it('a client that opens too many calls after it has reset others is not taken for a flood', async () => {
  await sendAll(frame(SETTINGS, ACK, 0), ...abandoned(64))
  // What node:http2 reports as little as refused calls.
  await sendAll(...Array.from({ length: 20 }, () => frame(UNKNOWN_TYPE, 0, 0, Buffer.alloc(16_000))))
  await sleep(SEVERAL_LOOKS_MS)
  expect(attacker.closed).toBe(false)
  const other = new Http2Client(server.port)
  expect(await other.ask(REQUEST)).toMatchObject({ grpcStatus: '0' })
  other.close()
})
