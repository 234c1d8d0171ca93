import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { afterEach, expect, it } from '@jest/globals'
import { Client } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { givenSockets } from '../support/given-sockets.ts'
import { Service } from '../support/service.ts'

const CONNECTIONS = 300

let service: Service | undefined
const sockets = givenSockets()
afterEach(() => service?.stop())

async function openIdleConnections(url: string): Promise<void> {
  const port = Number(new URL(url).port)
  for (let i = 0; i < CONNECTIONS; i++) {
    const socket = sockets.open({ host: '127.0.0.1', port })
    await Promise.race([once(socket, 'connect'), once(socket, 'close')])
  }
}

it('connections beyond what the file descriptors allow are closed at once, and others are served after that', async () => {
  service = await Service.start({ openFiles: 200 })
  expect(service.output.join('\n')).toMatch(/"level":40.*accepts at most 100 connections/)
  const client = new Client(service.url)
  await openIdleConnections(service.url)
  await eventually(() => expect(sockets.all.filter(({ closed }) => !closed).length).toBeLessThanOrEqual(200))
  sockets.closeAll()
  await eventually(async () => expect((await client.check('after')).status).toBe(200))
  expect((await client.get('/metrics')).text).toMatch(/^throttler_connections_refused_total [1-9]/m)
})

it('front processes that ran out of file descriptors serve again once they have some', async () => {
  service = await Service.start()
  const client = new Client(service.url)
  const lost = service.says(/a connection was closed: /)
  for (const pid of service.pidsOf('throttler front')) {
    execFileSync('prlimit', ['--pid', String(pid), '--nofile=80:80'])
  }
  await openIdleConnections(service.url)
  await lost
  sockets.closeAll()
  await eventually(async () => {
    const answers = await Promise.all(Array.from({ length: 4 }, () => client.check('after')))
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200])
  })
})
