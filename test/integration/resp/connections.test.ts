import type { AddressInfo, Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { ConnectionSlots } from '../../../src/connections/connection-slots.ts'
import { listenOn } from '../../../src/connections/forwarding-listener.ts'
import { heldMemory } from '../../../src/connections/held-memory.ts'
import { SocketServer } from '../../../src/connections/socket-server.ts'
import { describeLong } from '../../support/describe-long.ts'
import { eventually } from '../../support/eventually.ts'
import { promised } from '../../support/promised.ts'
import { frameOf, RespClient } from '../../support/resp-client.ts'
import { HeldChecker, TestRespServer } from '../../support/resp-server.ts'

const MIB = 1024 * 1024
const CHECK = frameOf('THROTTLE.CHECK', 'key')

let server: TestRespServer
let checker: HeldChecker
let clients: RespClient[]
beforeEach(async () => {
  checker = new HeldChecker()
  server = await TestRespServer.start(checker)
  clients = []
})
afterEach(async () => {
  for (const client of clients) client.end()
  checker.release()
  await server.close()
})

async function connect(): Promise<RespClient> {
  const client = await RespClient.connect(server.port)
  clients.push(client)
  return client
}

function checks(count: number): Buffer {
  return Buffer.concat(Array.from({ length: count }, () => CHECK))
}

describe('a client that does not read its replies', () => {
  it.each([
    ['large replies', frameOf('ECHO', 'x'.repeat(60_000)), 400],
    ['replies larger than their commands', Buffer.from('INFO\r\n'), 200_000],
    ['replies to checks', CHECK, 200_000],
  ])('is disconnected: %s', async (_name, frame, count) => {
    const client = await connect()
    client.socket.pause()
    client.socket.write(Buffer.concat(Array.from({ length: count }, () => frame)))
    await eventually(async () => expect(await server.connections()).toBe(0))
  })
})

describe('commands that arrive while others are under way', () => {
  it('wait in the client once they are many', async () => {
    checker.isHolding = true
    const client = await connect()
    client.socket.write(Buffer.alloc(20 * MIB, CHECK))
    await eventually(() => expect(checker.waiting).toBe(256))
    await sleep(100)
    expect(checker.waiting).toBe(256)
    expect(client.socket.writableLength).toBeGreaterThan(10 * MIB)
  })

  it('are answered in order afterwards', async () => {
    checker.isHolding = true
    const client = await connect()
    client.socket.write(checks(10))
    await eventually(() => expect(checker.waiting).toBe(10))
    client.socket.write(Buffer.concat([frameOf('ECHO', 'a'), checks(2_000), frameOf('ECHO', 'b')]))
    checker.release()
    const replies = await client.take(2_012)
    expect([replies[10], replies[2_011]]).toEqual(['a', 'b'])
  })
})

describe('a flood of commands that are no checks', () => {
  it.each([
    ['PING', frameOf('PING'), 1],
    ['empty ones', Buffer.from(`${'*0\r\n'.repeat(15)}PING\n`), 16],
  ])('leaves other connections their turns: %s', async (_name, frame, commandsPerReply) => {
    const flooders = await Promise.all(Array.from({ length: 40 }, connect))
    const other = await connect()
    const answered = () => flooders.reduce((sum, { replies }) => sum + replies.length * commandsPerReply, 0)
    for (const { socket } of flooders) socket.write(Buffer.alloc(64 * 1024, frame))
    await eventually(() => expect(flooders.every(({ replies }) => replies.length > 0)).toBe(true))
    const before = answered()
    await other.ask('PING')
    expect(answered() - before).toBeLessThan(2_000)
  })
})

describe('incomplete commands', () => {
  it('of one address take 48 MiB at most: then the oldest connections are closed', async () => {
    const partial = frameOf('ECHO', 'x'.repeat(60_000)).subarray(0, -1_000)
    const all = await Promise.all(Array.from({ length: 1_100 }, connect))
    for (const { socket } of all) socket.write(partial)
    await eventually(() => expect(all.filter(({ socket }) => socket.destroyed).length).toBeGreaterThan(0))
    expect(all.filter(({ socket }) => !socket.destroyed).length).toBeGreaterThan(300)
    const other = await connect()
    expect(await other.ask('PING')).toBe('PONG')
  })
})

describe('a protocol error', () => {
  it('ends the connection after the replies to what came before', async () => {
    const client = await connect()
    client.socket.write(Buffer.concat([checks(3), Buffer.from('*1\r\n$x\r\n'), checks(3)]))
    await client.closed
    expect(client.replies).toHaveLength(4)
    expect(client.replies[3]).toBe('-ERR Protocol error: invalid bulk length')
    expect(checker.decided).toBe(3)
  })

  it.each(['*1000000000\r\n', '*1\r\n$1073741824\r\n', '*2\r\n$60000\r\n'])('%j holds no memory', async bytes => {
    const before = process.memoryUsage().rss
    const all = await Promise.all(Array.from({ length: 50 }, connect))
    for (const { socket } of all) socket.write(bytes)
    await sleep(50)
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * MIB)
    const other = await connect()
    expect(await other.ask('PING')).toBe('PONG')
  })
})

describe('when the process drains', () => {
  it('commands that were sent are answered, and then the connection is closed', async () => {
    checker.isHolding = true
    const client = await connect()
    client.socket.write(checks(1_000))
    await eventually(() => expect(checker.waiting).toBe(256))
    server.drain()
    checker.release()
    expect(await client.take(1_000)).toHaveLength(1_000)
    await client.closed
    expect(checker.decided).toBe(1_000)
  })

  it('an idle connection stays open, and is closed after its next reply', async () => {
    const client = await connect()
    expect(await client.ask('PING')).toBe('PONG')
    server.drain()
    await sleep(50)
    expect(client.socket.readableEnded).toBe(false)
    expect(await client.ask('PING')).toBe('PONG')
    await client.closed
  })

  it('a command that has arrived in part is still answered', async () => {
    const client = await connect()
    client.socket.write(Buffer.concat([frameOf('PING'), CHECK.subarray(0, 9)]))
    expect(await client.take(1)).toEqual(['PONG'])
    server.drain()
    client.socket.write(CHECK.subarray(9))
    expect(await client.take(1)).toHaveLength(1)
    await client.closed
  })

  it('a command that arrives after the close is not run', async () => {
    const client = await connect()
    server.drain()
    await client.ask('PING')
    await eventually(() => expect(client.socket.readableEnded).toBe(true))
    const { decided } = checker
    client.socket.write(CHECK)
    await client.closed
    expect(checker.decided).toBe(decided)
  })
})

describe('when the server closes', () => {
  it('idle connections end at once, and those with a part of a command soon', async () => {
    const [idle, partial] = [await connect(), await connect()]
    partial.socket.write(CHECK.subarray(0, 9))
    const startMs = performance.now()
    await server.close()
    await Promise.all([idle.closed, partial.closed])
    expect(performance.now() - startMs).toBeLessThan(promised(3_000))
  })

  it('a client that never stops sending loses no reply to a command that was run', async () => {
    const client = await connect()
    client.socket.on('replies', () => client.socket.writable && client.socket.write(checks(16)))
    client.socket.write(checks(64))
    await eventually(() => expect(checker.decided).toBeGreaterThan(500))
    await server.close()
    await client.closed
    expect(client.replies).toHaveLength(checker.decided)
  })

  it('a command that waits for the store gets its reply, however slow the store is', async () => {
    const client = await connect()
    checker.isHolding = true
    client.socket.write(CHECK)
    await eventually(() => expect(checker.waiting).toBe(1))
    const closing = server.close(60_000)
    // Longer than clients have to read their replies.
    await sleep(2_000)
    checker.release()
    await Promise.all([closing, client.closed])
    expect(client.replies).toHaveLength(1)
  })

  it('a client that has sent many commands gets all replies, however long they take', async () => {
    const client = await connect()
    checker.isHolding = true
    client.socket.write(checks(20_000))
    await eventually(() => expect(checker.waiting).toBe(256))
    const closing = server.close(0, 60_000)
    // Longer than clients have for the rest of a command.
    await sleep(1_000)
    checker.release()
    await Promise.all([closing, client.closed])
    expect(client.replies).toHaveLength(20_000)
  })

  it('one that does not read does not delay it', async () => {
    const client = await connect()
    client.socket.pause()
    client.socket.write(checks(2_000))
    await eventually(() => expect(checker.decided).toBe(2_000))
    await server.close()
    expect(await server.connections()).toBe(0)
  })
})

describeLong('a client that is too slow', () => {
  it('is disconnected while it reads no replies', async () => {
    const slots = new ConnectionSlots({ max: 10, onClosed: () => undefined })
    const drain = new AbortController().signal
    /** Fills the buffers of the kernel, and no more. */
    const open = (socket: Socket) => {
      while (socket.write(Buffer.alloc(64 * 1024)));
      return {
        isIdle: true,
        isAdmitted: true,
        isReceiving: false,
        receive() {},
        reportHeld() {},
        inputEnded() {},
        drain() {},
        close() {},
        cut() {},
      }
    }
    const writing = new SocketServer({ slots, memory: heldMemory(), drain, open })
    const listener = writing.createListener()
    await listenOn(listener, '127.0.0.1', 0)
    const client = await RespClient.connect((listener.address() as AddressInfo).port)
    client.socket.pause()
    const connections = promisify(listener.getConnections.bind(listener))
    await eventually(async () => expect(await connections()).toBe(1))
    await eventually(async () => expect(await connections()).toBe(0))
    client.end()
    listener.close()
    await writing.close(0, 0)
  })

  it('is disconnected while it sends a command', async () => {
    const client = await connect()
    client.socket.write(CHECK.subarray(0, 5))
    const idle = await connect()
    await client.closed
    expect(await idle.ask('PING')).toBe('PONG')
  })
})
