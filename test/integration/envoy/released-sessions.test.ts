import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { promisify } from 'node:util'
import { queryObjects } from 'node:v8'
import { expect, it } from '@jest/globals'
import { eventually } from '../../support/eventually.ts'
import { TestGrpcServer } from '../../support/grpc-server.ts'
import { Http2Client } from '../../support/http2-client.ts'
import { HeldChecker } from '../../support/resp-server.ts'

const CONNECTIONS = 200

/** Connects one client after another, which sends a request of HTTP/1.1 and leaves at once. */
const STRANGERS = `
  const { connect } = require('node:net')
  const connectNext = left => {
    if (left === 0) return
    const socket = connect(Number(process.argv[1]), '127.0.0.1')
    socket.on('error', () => undefined)
    socket.write('GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n', () => socket.destroy())
    socket.on('close', () => connectNext(left - 1))
  }
  connectNext(${CONNECTIONS})
`

it('the memory of connections that do not speak HTTP/2 is released, also if their clients leave at once', async () => {
  const server = await TestGrpcServer.start(new HeldChecker())
  const client = new Http2Client(server.port)
  await once(client.session, 'remoteSettings')
  const sessions = () => queryObjects(Object.getPrototypeOf(client.session.constructor), { format: 'count' })
  const before = sessions()
  await promisify(execFile)(process.execPath, ['--eval', STRANGERS, String(server.port)])
  await eventually(async () => expect(await server.connections()).toBe(1))
  await eventually(() => expect(sessions()).toBeLessThan(before + CONNECTIONS / 10))
  client.close()
  await server.close()
})
