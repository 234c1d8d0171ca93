import { once } from 'node:events'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { describe, expect, it } from '@jest/globals'
import { TestApp } from '../../support/app.ts'
import { eventually } from '../../support/eventually.ts'
import { givenApp } from './given-app.ts'

const given = givenApp()

const BODY = '{"key":"late"}'
const HEAD = `POST /check HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${BODY.length}\r\n\r\n`

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
      await eventually(() => expect(waiting.size).toBeLessThan(sockets.length), 20_000)
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
