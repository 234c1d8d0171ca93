import { once } from 'node:events'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { describe, expect, it } from '@jest/globals'
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
