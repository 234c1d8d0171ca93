import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { afterEach, expect, it } from '@jest/globals'
import { eventually } from '../support/eventually.ts'
import { givenSockets } from '../support/given-sockets.ts'
import { Service } from '../support/service.ts'

const FLOOD = 300
const PENDING = 4
const ROUNDS = 5

let service: Service | undefined
const sockets = givenSockets()
afterEach(() => service?.stop())

/** Sends a request on a new connection from an address of the loopback network. */
async function ask(port: number, localAddress: string): Promise<Socket> {
  const socket = sockets.open({ host: '127.0.0.1', port, localAddress })
  await once(socket, 'connect')
  socket.write('GET /ready HTTP/1.1\r\nHost: a\r\n\r\n')
  return socket
}

it('a new connection does not wait for all of those that another address has opened before', async () => {
  service = await Service.start({ env: { WEB_CONCURRENCY: '1' } })
  const [front = 0] = service.pidsOf('throttler front')
  const port = Number(new URL(service.url).port)
  let answered = 0
  process.kill(front, 'SIGSTOP')
  const flood = await Promise.all(Array.from({ length: FLOOD }, () => ask(port, '127.0.0.2')))
  for (const socket of flood) socket.once('data', () => answered++)
  const other = await ask(port, '127.0.0.3')
  const answeredBefore = once(other, 'data').then(() => answered)
  process.kill(front, 'SIGCONT')
  expect(await answeredBefore).toBeLessThan(FLOOD / 2)
  await eventually(() => expect(answered).toBe(FLOOD))
})

/** Resolves once the process is stopped (`T`) or has died (`Z`). */
function hasState(pid: number, state: 'T' | 'Z'): Promise<void> {
  return eventually(() => expect(readFileSync(`/proc/${pid}/stat`, 'utf8')).toContain(`) ${state} `))
}

it('every connection is closed that arrives when its process has just died, before the primary knows', async () => {
  service = await Service.start({ env: { WEB_CONCURRENCY: '1' } })
  const [primary = 0] = service.pidsOf('throttler primary')
  const port = Number(new URL(service.url).port)
  const descriptors = () => readdirSync(`/proc/${primary}/fd`).length
  const before = descriptors()
  for (let round = 1; round <= ROUNDS; round++) {
    const [front = 0] = service.pidsOf('throttler front')
    process.kill(front, 'SIGSTOP')
    // One is under way to the process, and one waits.
    await Promise.all([ask(port, '127.0.0.1'), ask(port, '127.0.0.1')])
    await eventually(() => expect(descriptors()).toBe(before + 2))
    process.kill(primary, 'SIGSTOP')
    await hasState(primary, 'T')
    process.kill(front, 'SIGKILL')
    await hasState(front, 'Z')
    await Promise.all(Array.from({ length: PENDING }, () => ask(port, '127.0.0.1')))
    process.kill(primary, 'SIGCONT')
    await eventually(() => expect(sockets.all.filter(({ closed }) => !closed)).toEqual([]))
    const successor = () => service?.pidsOf('throttler front').filter(pid => pid !== front)
    await eventually(() => expect(successor()).toHaveLength(1))
    await eventually(() => expect(descriptors()).toBe(before))
  }
})
