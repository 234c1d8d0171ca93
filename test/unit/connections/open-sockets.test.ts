import { once } from 'node:events'
import { connect, type Server } from 'node:net'
import { afterEach, expect, it } from '@jest/globals'
import { ConnectionSlots } from '../../../src/connections/connection-slots.ts'
import { listenOn } from '../../../src/connections/forwarding-listener.ts'
import { heldMemory } from '../../../src/connections/held-memory.ts'
import { OpenSockets } from '../../../src/connections/open-sockets.ts'
import { eventually } from '../../support/eventually.ts'

let listener: Server
const clients: ReturnType<typeof connect>[] = []
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy()
  listener.close()
  await once(listener, 'close')
})

/** Opens as many connections. @param isAdmitted whether the client of each, by its number, was admitted */
async function openAll(count: number, isAdmitted: (index: number) => boolean) {
  const slots = new ConnectionSlots({ max: count, onClosed: () => undefined })
  let opened = 0
  const open = () => ({ isIdle: true, isReceiving: false, isAdmitted: isAdmitted(opened++) })
  const sockets = new OpenSockets({ slots, memory: heldMemory(), open })
  listener = sockets.createListener(() => undefined)
  await listenOn(listener, '127.0.0.1', 0)
  for (let i = 0; i < count; i++) {
    const client = connect((listener.address() as { port: number }).port, '127.0.0.1')
    client.on('error', () => undefined)
    clients.push(client)
  }
  await eventually(() => expect([...sockets.sockets()]).toHaveLength(count))
  return sockets
}

it('a connection whose client was not admitted within ten seconds is closed, and no other', async () => {
  const startMs = performance.now()
  const sockets = await openAll(2, index => index === 0)
  const openMs = performance.now()
  const [admitted, late] = [...sockets.sockets()]
  sockets.closeLate(startMs + 9_999)
  expect([...sockets.sockets()]).toEqual([admitted, late])
  sockets.closeLate(openMs + 10_000)
  await eventually(() => expect([...sockets.sockets()]).toEqual([admitted]))
  sockets.closeLate(openMs + 100_000)
  expect([...sockets.sockets()]).toEqual([admitted])
})

it('late connections are closed a few in each turn of the event loop', async () => {
  const sockets = await openAll(50, () => false)
  const left = () => [...sockets.sockets()].filter(({ destroyed }) => !destroyed).length
  sockets.closeLate(performance.now() + 10_000)
  for (let before = left(); before > 0; before = left()) {
    await new Promise(setImmediate)
    expect(before - left()).toBeLessThanOrEqual(10)
  }
})
