import { once } from 'node:events'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from '@jest/globals'
import { TestApp } from '../../support/app.ts'
import { eventually } from '../../support/eventually.ts'
import { promised } from '../../support/promised.ts'
import { StoreProxy } from '../../support/store-proxy.ts'
import { givenApp } from './given-app.ts'
import { statusesIn } from './raw-http.ts'

const given = givenApp()

const BODY = '{"key":"late"}'
const HEAD = `POST /check HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${BODY.length}\r\n\r\n`

const CHECK = HEAD + BODY
/** Only a complete parser reads it. */
const ENCODED = CHECK.replace('\r\n', '\r\ncontent-encoding: identity\r\n')
/** Refused at once. */
const UNKNOWN = 'GET /nothing HTTP/1.1\r\nhost: localhost\r\n\r\n'

/** What clients pipeline. Together, they have more requests than are handled in a turn of the event loop. */
const PIPELINES: readonly (readonly string[])[] = [
  ...Array.from({ length: 8 }, () => Array.from({ length: 15 }, () => CHECK)),
  ...Array.from({ length: 4 }, () => Array.from({ length: 15 }, () => ENCODED)),
  [CHECK, UNKNOWN, UNKNOWN, CHECK],
]

/** A client whose later checks need no complete parser. It can send requests, each in a packet of its own, and returns what follows. */
async function pipelining(port: number, requests: readonly string[]) {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true })
  for (let i = 0; i < 2; i++) {
    socket.write(CHECK)
    await once(socket, 'data')
  }
  const send = async () => {
    for (const request of requests) {
      socket.write(request)
      await sleep(2)
    }
  }
  return { socket, send, rest: () => text(socket) }
}

describe('a process that begins to drain while a body arrives', () => {
  it('answers, says that it closes the connection, and closes it', async () => {
    const socket = connect({ host: '127.0.0.1', port: given.app.port, allowHalfOpen: true })
    await once(socket, 'connect')
    socket.write(HEAD + BODY.slice(0, 5))
    // Its answer shows that the first bytes of the other connection have arrived too.
    expect((await given.app.client.check('other')).status).toBe(200)
    given.app.drain()
    socket.write(BODY.slice(5))
    const answer = await text(socket)
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
    expect(answer).toMatch(/\r\nconnection: close\r\n/i)
    socket.destroy()
  })
})

describe('a process that begins to drain when the last response of a connection has begun', () => {
  it('answers the next request of the connection, and announces then that it closes', async () => {
    const proxy = await StoreProxy.start(given.store.url)
    const variables = { REDIS_TIMEOUT_MS: '5000', CONFIG_REDIS_URL: given.store.url }
    const app = await TestApp.start({ ...given.store, url: proxy.url }, { variables })
    const socket = connect({ host: '127.0.0.1', port: app.port })
    let received = ''
    socket.on('data', bytes => {
      received += bytes
    })
    const malformed = HEAD + BODY.replace('}', ' ')
    try {
      const held = proxy.hold('EVALSHA')
      // The response to the second one waits for that to the first one.
      socket.write(HEAD + BODY + malformed)
      await held
      app.drain()
      proxy.release()
      await eventually(() => expect(statusesIn(received)).toEqual([200, 400]))
      socket.write(malformed)
      await once(socket, 'end')
      expect(statusesIn(received)).toEqual([200, 400, 400])
      expect(received.split(/^connection: close\r$/im)).toHaveLength(2)
    } finally {
      socket.destroy()
      await app.close()
      await proxy.stop()
    }
  })
})

describe('a process that drains', () => {
  it('refuses a request before its body has arrived, and a client that sends the rest in parts gets the answer', async () => {
    given.app.drain()
    const socket = connect({ host: '127.0.0.1', port: given.app.port })
    socket.write(HEAD.replace('application/json', 'text/plain').replace(String(BODY.length), '50000'))
    for (let i = 0; i < 10; i++) {
      await sleep(10)
      socket.write('x'.repeat(5_000))
    }
    expect(await text(socket)).toMatch(
      /^HTTP\/1\.1 415 [\s\S]*\r\nconnection: close\r\n[\s\S]*"code":"media-type-unsupported"/i,
    )
  })
})

describe('a request that follows while the last answer of its connection is under way', () => {
  it('is not decided, since it gets no answer', async () => {
    const proxy = await StoreProxy.start(given.store.url)
    const variables = { REDIS_TIMEOUT_MS: '5000', CONFIG_REDIS_URL: given.store.url }
    const app = await TestApp.start({ ...given.store, url: proxy.url }, { variables })
    const socket = connect({ host: '127.0.0.1', port: app.port, noDelay: true })
    try {
      app.drain()
      const held = proxy.hold('EVALSHA')
      socket.write(CHECK)
      await held
      socket.write(CHECK.replace('late', 'next'))
      // Its answer shows that the second one has arrived, too.
      expect((await app.client.get('/ready')).status).toBe(503)
      proxy.release()
      const answer = await text(socket)
      expect([statusesIn(answer), answer.includes('"key":"late"')]).toEqual([[200], true])
      const [late, next] = [await app.client.check('late', 0), await app.client.check('next', 0)]
      expect(next.body.remaining - late.body.remaining).toBe(1)
    } finally {
      socket.destroy()
      await app.close()
      await proxy.stop()
    }
  })
})

describe('a process that stops', () => {
  it('answers the first request of a connection that was opened just before', async () => {
    const app = await TestApp.start(given.store)
    const socket = connect({ host: '127.0.0.1', port: app.port })
    await once(socket, 'connect')
    // Its answer shows that the process has accepted the other connection too.
    expect((await app.client.check('other')).status).toBe(200)
    const closed = app.close()
    await new Promise(setImmediate)
    socket.write(HEAD + BODY)
    expect(await text(socket)).toMatch(/^HTTP\/1\.1 200 [\s\S]*\r\nconnection: close\r\n/i)
    await closed
  })

  it('answers all requests that have arrived while the store did not answer, and announces each close once', async () => {
    const proxy = await StoreProxy.start(given.store.url)
    const variables = { REDIS_TIMEOUT_MS: '5000', CONFIG_REDIS_URL: given.store.url }
    const app = await TestApp.start({ ...given.store, url: proxy.url }, { variables })
    const clients = await Promise.all(PIPELINES.map(requests => pipelining(app.port, requests)))
    let closed: Promise<void> | undefined
    try {
      const held = proxy.hold('EVALSHA')
      for (const { send } of clients) await send()
      await held
      // Its answer shows that all of them have arrived.
      expect((await app.client.get('/ready')).status).toBe(200)
      closed = app.close()
      const answers = clients.map(({ rest }) => rest())
      await new Promise(setImmediate)
      proxy.release()
      for (const [i, answer] of (await Promise.all(answers)).entries()) {
        expect(statusesIn(answer)).toHaveLength(PIPELINES[i]?.length ?? 0)
        expect(answer.split(/^connection: close\r$/im)).toHaveLength(2)
      }
    } finally {
      for (const { socket } of clients) socket.destroy()
      await (closed ?? app.close())
      await proxy.stop()
    }
  })

  it('does not wait long for a client that is still sending after the last answer of its connection', async () => {
    const app = await TestApp.start(given.store)
    const socket = connect({ host: '127.0.0.1', port: app.port }).on('error', () => undefined)
    const fields = 'host: localhost\r\nconnection: close\r\ncontent-length: 5000000'
    socket.write(`POST /nothing HTTP/1.1\r\n${fields}\r\n\r\n`)
    const timer = setInterval(() => socket.write('x'.repeat(1_000)), 50)
    try {
      await once(socket, 'readable')
      app.drain()
    } finally {
      const startMs = performance.now()
      await app.close()
      clearInterval(timer)
      expect(performance.now() - startMs).toBeLessThan(promised(3_000))
    }
  })
})

describe('a process that begins to drain while large bodies wait to be parsed', () => {
  it('refuses those that wait for half a second, and closes their connections', async () => {
    const app = await TestApp.start(given.store)
    const batch = '{"checks":[{"key":"late"}]}'.padEnd(3 * 1024 * 1024)
    const fields = `host: localhost\r\ncontent-type: application/json\r\ncontent-length: ${batch.length}\r\n\r\n`
    const sockets = Array.from({ length: 5 }, () => connect({ host: '127.0.0.1', port: app.port }))
    const waiting = new Set(sockets)
    for (const socket of sockets) {
      socket.write(`POST /check/batch HTTP/1.1\r\n${fields}${batch}`)
      socket.once('readable', () => waiting.delete(socket))
    }
    try {
      await eventually(() => expect(waiting.size).toBeLessThan(sockets.length))
      app.drain()
      const refused = (await Promise.all([...waiting].map(text))).filter(answer => !answer.startsWith('HTTP/1.1 200 '))
      expect(refused.length).toBeGreaterThan(0)
      for (const answer of refused) {
        expect(answer).toMatch(/^HTTP\/1\.1 503 .*\r\nconnection: close\r\n.*"code":"draining"/is)
        expect(answer).toMatch(/\r\nretry-after: 1\r\n/)
      }
    } finally {
      for (const socket of sockets) socket.destroy()
      await app.close()
    }
  })
})
