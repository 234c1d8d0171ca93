import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterEach, describe, expect, it } from '@jest/globals'
import { eventually } from '../../support/eventually.ts'
import { framed, Http2Client } from '../../support/http2-client.ts'
import { givenApp } from './given-app.ts'
import { exchange, statusesIn } from './raw-http.ts'

const MAX_CONNECTIONS = 60
/** A fifth of them. */
const MAX_GRPC_CONNECTIONS = 12
const MIB = 1024 * 1024
const given = givenApp({ maxConnections: MAX_CONNECTIONS, variables: { RESP_PORT: '0', GRPC_PORT: '0' } })

const sockets: Socket[] = []
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy()
})

function connection(): Socket {
  const socket = connect({ host: '127.0.0.1', port: given.app.port, allowHalfOpen: true })
  socket.on('error', () => undefined)
  sockets.push(socket)
  return socket
}

async function connected(): Promise<Socket> {
  const socket = connection()
  await once(socket, 'connect')
  return socket
}

/** Rejects if the service closes the connection before the answer, since those of the test before still hold its slot. */
async function unlessClosed(closed: Promise<unknown>, answer: Promise<unknown>): Promise<void> {
  const refused = closed.then(() => {
    throw new Error('the connection is closed')
  })
  await Promise.race([answer, refused])
  refused.catch(() => undefined)
}

/** Resolves once the service has closed a connection. */
async function ended(socket: Socket): Promise<void> {
  await text(socket).catch(() => undefined)
}

/** A request for a check, with the fields that it needs. */
function checkRequest(key: string, { version = '1.1', path = '/check' } = {}): string {
  const body = JSON.stringify({ key })
  const fields = `host: localhost\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`
  return `POST ${path} HTTP/${version}\r\n${fields}${body}`
}

const get = (path: string, version = '1.1') => `GET ${path} HTTP/${version}\r\nhost: localhost\r\n\r\n`

describe('a process with the maximum number of connections', () => {
  it('closes a new one at once, counts it, and accepts another once one is closed', async () => {
    const open = await Promise.all(Array.from({ length: MAX_CONNECTIONS }, connected))
    await ended(connection())
    expect(open.filter(({ closed }) => closed)).toEqual([])

    const [first, ...others] = open
    first?.destroy()
    await eventually(async () => {
      const metrics = await exchange(given.app.port, get('/metrics', '1.0'))
      expect(metrics).toMatch(/^throttler_connections_refused_total [1-9]/m)
    })
    for (const socket of others) socket.destroy()
  })

  it('closes the oldest idle one for a client of another address, whatever the protocol', async () => {
    const first = connect(given.app.respPort, '127.0.0.1')
    sockets.push(first)
    await once(first, 'connect')
    const rest = await Promise.all(Array.from({ length: MAX_CONNECTIONS - 1 }, connected))
    const other = connect({ host: '127.0.0.1', port: given.app.port, localAddress: '127.0.0.2' })
    sockets.push(other)
    other.write(get('/ready', '1.0'))
    expect(statusesIn(await text(other))).toEqual([200])
    await ended(first)
    expect(rest.filter(({ closed }) => closed)).toEqual([])
    for (const socket of rest) socket.destroy()
  })
})

describe('a process whose connections all wait for the rest of a request', () => {
  /** A request that is answered although its body is missing. */
  async function withoutBody(): Promise<void> {
    const socket = await connected()
    socket.write('POST /nothing HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\n')
    // A client that has seen the end does not notice a later reset.
    const closed = Promise.race([once(socket, 'end'), once(socket, 'close')])
    await unlessClosed(closed, once(socket, 'data'))
  }

  it('accepts a client of another address in place of one of them', async () => {
    for (let i = 0; i < MAX_CONNECTIONS; i++) await eventually(withoutBody)
    const other = connect({ host: '127.0.0.1', port: given.app.port, localAddress: '127.0.0.2' })
    sockets.push(other.on('error', () => undefined))
    other.write(get('/ready', '1.0'))
    expect(statusesIn(await text(other))).toEqual([200])
  })
})

describe('a process whose connections of gRPC all have a call that waits for its message', () => {
  const HEALTH = { ':path': '/grpc.health.v1.Health/Check' }
  const clients: Http2Client[] = []
  afterEach(() => {
    for (const client of clients.splice(0)) client.close()
  })

  function clientAt(localAddress: string): Http2Client {
    const createConnection = () => connect({ host: '127.0.0.1', port: given.app.grpcPort, localAddress })
    const client = new Http2Client(given.app.grpcPort, { createConnection })
    clients.push(client)
    return client
  }

  /** Resolves once the call has begun: the answer to the ping follows its head. */
  async function withoutMessage(): Promise<Http2Client> {
    const client = clientAt('127.0.0.1')
    const { session } = client
    client.open(HEALTH)
    const ping = () => new Promise<void>((resolve, reject) => session.ping(err => (err ? reject(err) : resolve())))
    await unlessClosed(once(session, 'close'), once(session, 'connect').then(ping))
    return client
  }

  it('accepts a client of another address in place of one of them', async () => {
    const open: Http2Client[] = []
    while (open.length < MAX_GRPC_CONNECTIONS) open.push(await eventually(withoutMessage))
    const closed = once((open[0] as Http2Client).session, 'close')
    expect(await clientAt('127.0.0.2').ask(framed(Buffer.alloc(0)), HEALTH)).toMatchObject({ grpcStatus: '0' })
    await closed
    expect(open.filter(({ session }) => session.closed)).toHaveLength(1)
  })
})

describe('the order of answers on a connection', () => {
  it('is that of the requests, however long each takes, and the refusal of invalid HTTP comes last', async () => {
    const answer = await exchange(
      given.app.port,
      checkRequest('order') + get('/openapi.json') + get('/nothing') + checkRequest('order') + get('/ready'),
      'this is not HTTP\r\n\r\n',
    )
    expect(statusesIn(answer)).toEqual([200, 200, 404, 200, 200, 400])
    expect(answer).toMatch(/"code":"validation-failed"\}$/)
  })

  it('is kept if the framing of a body is malformed', async () => {
    const chunked =
      'POST /check HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\ncontent-type: application/json\r\n\r\nxyz\r\n'
    expect(statusesIn(await exchange(given.app.port, checkRequest('framing') + chunked))).toEqual([200, 400])
  })

  it.each(['/nothing', '/config/%ff', '/health'])(
    'has one answer for a request to %s that is answered before its body turns out to be malformed',
    async path => {
      const socket = await connected()
      const answer = text(socket)
      socket.write(`PUT ${path} HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n`)
      await once(socket, 'data')
      socket.write('xyz\r\n')
      expect(statusesIn(await answer)).toHaveLength(1)

      const atOnce = `PUT ${path} HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n`
      expect(statusesIn(await exchange(given.app.port, checkRequest('one') + atOnce))).toHaveLength(2)
    },
  )

  it('ends with the answers to all requests of a client that has shut down its side', async () => {
    const socket = await connected()
    socket.end(checkRequest('half') + get('/health'))
    expect(statusesIn(await text(socket))).toEqual([200, 200])
  })
})

describe('bytes after the last request of a connection', () => {
  const closing = (path: string) => `GET ${path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`

  it.each([
    ['garbage', closing('/nothing'), 404],
    ['an empty line and garbage', `${closing('/ready')}\r\n`, 200],
    ['garbage after HTTP/1.0', get('/nothing', '1.0'), 404],
    ['garbage after an unknown version', get('/ready', '2.0'), 505],
  ])('are not answered: %s', async (_, last, status) => {
    for (const before of ['', get('/ready').repeat(3)]) {
      const answer = await exchange(given.app.port, `${before}${last}garbage`)
      expect(statusesIn(answer)).toEqual([...(before ? [200, 200, 200] : []), status])
    }
  })
})

describe('CONNECT', () => {
  const tunnel = 'CONNECT elsewhere:443 HTTP/1.1\r\nhost: localhost\r\nx-request-id: tunnel\r\n\r\n'

  it('is answered after the requests before it, and the connection ends', async () => {
    const requests = checkRequest('tunnel') + get('/openapi.json') + get('/config')
    const answer = await exchange(given.app.port, requests + tunnel, get('/health'))
    expect(statusesIn(answer)).toEqual([200, 200, 200, 404])
    expect(answer).toMatch(/x-request-id: tunnel\r\n[\s\S]*"detail":"there is nothing at elsewhere:443"/)
  })

  it('may be followed by a reset of the connection', async () => {
    const socket = await connected()
    socket.write(get('/openapi.json').repeat(5) + tunnel)
    await once(socket, 'data')
    socket.resetAndDestroy()
    expect(statusesIn(await exchange(given.app.port, tunnel))).toEqual([404])
  })
})

describe('the version of HTTP', () => {
  it.each(['2.0', '3.0', '0.9', '1.2', '9.9'])('may not be %s', async version => {
    for (const request of [checkRequest('v', { version }), checkRequest('v', { version, path: '/config/%ff' })]) {
      const answer = await exchange(given.app.port, request)
      expect(statusesIn(answer)).toEqual([505])
      expect(answer).toMatch(/x-request-id: [\s\S]*"code":"http-version-unsupported"\}$/)
    }
  })

  it.each(['PLAY', 'SETUP', 'FLUSH'])('may not be that of RTSP: %s', async method => {
    for (const path of ['/check', '/nothing', '/config/%ff']) {
      const answer = await exchange(given.app.port, `${get('/health')}${method} ${path} RTSP/1.0\r\n\r\n`)
      expect(statusesIn(answer)).toEqual([200, 505])
      const last = answer.slice(answer.lastIndexOf('HTTP/1.1 505'))
      expect(last).toMatch(/x-request-id: [\s\S]*cache-control: no-store[\s\S]*"code":"http-version-unsupported"\}$/)
    }
  })

  it('may not be that of HTTP/2 with prior knowledge', async () => {
    const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'
    const settings = '\0\0\0\x04\0\0\0\0\0'
    for (const bytes of [preface, preface + settings]) {
      const answer = await exchange(given.app.port, get('/health') + bytes)
      expect(statusesIn(answer)).toEqual([200, 505])
      expect(answer).toMatch(/"detail":"the request is neither[^}]*"code":"http-version-unsupported"\}$/)
    }
  })

  it('is not blamed for a request line that ends without a carriage return', async () => {
    const answer = await exchange(given.app.port, 'GET /health HTTP/1.1\nhost: localhost\n\n')
    expect(statusesIn(answer)).toEqual([400])
    expect(answer).toMatch(/"detail":"the request line must end with CR LF"/)
  })

  it.each(['1.0', '1.1'])('may be %s', async version => {
    const socket = await connected()
    socket.end(checkRequest('v', { version }))
    expect(statusesIn(await text(socket))).toEqual([200])
  })
})

describe('a head', () => {
  const begin = 'GET /health HTTP/1.1\r\nhost: localhost\r\n'
  const fields = (count: number) => Array.from({ length: count }, (_, i) => `x-${i}: y\r\n`).join('')
  const tooLarge = /100 fields or 16384 bytes[^}]*"code":"validation-failed"\}$/

  it('can have a hundred fields', async () => {
    const answer = await exchange(given.app.port, `${begin}${fields(98)}connection: close\r\n\r\n`)
    expect(statusesIn(answer)).toEqual([200])
  })

  it.each([100, 101, 127, 1_000])('with %i fields more than its host is refused', async count => {
    const head = `${begin}${fields(count)}\r\n`
    const answer = await exchange(given.app.port, get('/openapi.json') + head, get('/health'))
    expect(statusesIn(answer)).toEqual([200, 400])
    expect(answer).toMatch(/"detail":"the head has more than the 100 fields or 16384 bytes allowed"/)
  })

  it('with too many fields is refused before its end', async () => {
    const answer = await exchange(given.app.port, begin + fields(128))
    expect(statusesIn(answer)).toEqual([400])
    expect(answer).toMatch(tooLarge)
  })

  it('of more than 16 KiB is refused', async () => {
    const answer = await exchange(given.app.port, `${begin}x: ${'y'.repeat(16_384)}\r\n\r\n`)
    expect(statusesIn(answer)).toEqual([400])
    expect(answer).toMatch(tooLarge)
  })

  it('of a body may not be followed by as many trailers', async () => {
    const socket = await connected()
    const head = 'POST /check HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n'
    socket.write(`${head}1\r\n{\r\n0\r\n${fields(128)}`)
    await ended(socket)
    expect(statusesIn(await exchange(given.app.port, checkRequest('other'), get('/health', '1.0')))).toEqual([200, 200])
  })

  it('that is late is refused; a client that sends nothing is disconnected', async () => {
    const half = await connected()
    half.write(begin)
    const silent = text(await connected())
    expect(statusesIn(await text(half))).toEqual([400])
    expect(await silent).toBe('')
  })
})

describe('bodies that arrive only in part', () => {
  const length = 4 * MIB
  const head = `POST /check/batch HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n\r\n`
  const checks = JSON.stringify({ checks: [{ key: 'late' }] })
  const unfinished = head + ' '.repeat(length - checks.length)

  it('are refused, the oldest first, if they are too large together; the newest is still accepted', async () => {
    const senders = []
    for (let i = 0; i < 24; i++) {
      const socket = await connected()
      const answer = once(socket, 'data').then(([data]) => String(data))
      await new Promise(resolve => socket.write(unfinished, resolve))
      senders.push({ socket, answer })
    }
    const oldest = await senders[0]?.answer
    expect(statusesIn(oldest ?? '')).toEqual([503])
    expect(oldest).toMatch(/retry-after: 1\r\n[\s\S]*"code":"overloaded"/)

    const newest = senders.at(-1)
    newest?.socket.write(checks)
    expect(statusesIn((await newest?.answer) ?? '')).toEqual([200])
  })
})

describe('a client that sends a body in thousands of tiny chunks', () => {
  it('is disconnected', async () => {
    const socket = await connected()
    const fields = 'host: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n'
    socket.write(`POST /check HTTP/1.1\r\n${fields}${'1\r\n \r\n'.repeat(2_000)}`)
    await ended(socket)
  })
})

describe('a client that sends thousands of requests without waiting', () => {
  it('is disconnected', async () => {
    const socket = await connected()
    socket.write(get('/health').repeat(20_000))
    await ended(socket)
  })

  it('is served up to sixteen of them', async () => {
    const answer = await exchange(given.app.port, get('/ready').repeat(15) + get('/ready', '1.0'))
    expect(statusesIn(answer)).toEqual(Array(16).fill(200))
  })
})
