import { once } from 'node:events'
import { createServer } from 'node:net'
import { expect, it } from '@jest/globals'
import { holdFreePort } from '../../../src/processes/free-port.ts'

it('a held port is taken, and is free right after its release', async () => {
  const { port, release } = await holdFreePort('127.0.0.1')
  const [err] = await once(createServer().listen(port, '127.0.0.1'), 'error')
  expect(err).toMatchObject({ code: 'EADDRINUSE' })

  release()
  const server = createServer().listen(port, '127.0.0.1')
  await once(server, 'listening')
  server.close()
})
