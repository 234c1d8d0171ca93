import type { Socket } from 'node:net'
import { PassThrough } from 'node:stream'
import { beforeEach, describe, expect, it } from '@jest/globals'
import { ConnectionSlots } from '../../../src/connections/connection-slots.ts'
import type { ConnectionState } from '../../../src/connections/held-slot.ts'

const MAX = 6

/** A connection from this address, as far as a slot needs it. */
class Connection {
  state: ConnectionState = 'idle'
  readonly socket = new PassThrough() as unknown as Socket & { bytesRead: number; remoteAddress: string }

  constructor(remoteAddress: string) {
    Object.assign(this.socket, { remoteAddress, bytesRead: 0 })
  }

  get isOpen(): boolean {
    return !this.socket.destroyed
  }

  send(): this {
    this.socket.bytesRead += 1
    return this
  }
}

let slots: ConnectionSlots
let closed: number
beforeEach(() => {
  closed = 0
  slots = new ConnectionSlots({ max: MAX, onClosed: () => closed++ })
})

function open(address: string, state: ConnectionState = 'idle'): Connection {
  const connection = new Connection(address)
  connection.state = state
  slots.admit(connection.socket, () => connection.state)
  return connection
}

function openAll(address: string, count: number, state?: ConnectionState): Connection[] {
  return Array.from({ length: count }, () => open(address, state))
}

const openOf = (connections: readonly Connection[]) => connections.map(({ isOpen }) => isOpen)

describe('the slots of a part of the connections', () => {
  let part: ConnectionSlots
  const openInPart = (address: string): Connection => {
    const connection = new Connection(address)
    part.admit(connection.socket, () => 'idle')
    return connection
  }
  beforeEach(() => {
    part = slots.part(1 / 3)
  })

  it('are fewer, and are bounded in the same way', () => {
    const [first, second] = [openInPart('192.0.2.1'), openInPart('192.0.2.1')]
    expect(openInPart('192.0.2.1').isOpen).toBe(false)
    expect(openInPart('192.0.2.2').isOpen).toBe(true)
    expect(openOf([first, second])).toEqual([false, true])
    expect([part.areTaken, slots.areTaken, closed]).toEqual([true, false, 2])
  })

  it('take as many of the others', () => {
    const others = openAll('192.0.2.1', MAX - 1)
    openInPart('192.0.2.2')
    expect(slots.areTaken).toBe(true)
    const second = openInPart('192.0.2.2')
    expect([openOf(others).includes(false), second.isOpen]).toEqual([true, true])
    expect(openInPart('192.0.2.2').isOpen).toBe(false)
  })
})

describe('once every slot is taken, a new connection', () => {
  it('replaces the oldest idle one of the address that holds the most', () => {
    const first = open('192.0.2.1')
    const most = openAll('192.0.2.2', 5)
    const other = open('192.0.2.3')
    expect([first.isOpen, other.isOpen, openOf(most)]).toEqual([true, true, [false, true, true, true, true]])
    expect([slots.areTaken, closed]).toEqual([true, 1])
  })

  it('is refused if its own address holds the most', () => {
    const others = openAll('192.0.2.1', 3)
    const own = openAll('192.0.2.2', 3)
    expect(open('192.0.2.2').isOpen).toBe(false)
    expect(openOf([...others, ...own])).toEqual(Array(MAX).fill(true))
    expect(closed).toBe(1)
  })

  it('counts a network of IPv6 as one address', () => {
    openAll('2001:db8::1', 3)
    openAll('2001:db8::2', 3)
    expect(open('2001:db8::3').isOpen).toBe(false)
    expect(open('2001:db8:0:1::1').isOpen).toBe(true)
  })

  it('replaces none with a request under way', () => {
    const busy = openAll('192.0.2.1', 5, 'busy')
    const idle = open('192.0.2.1')
    expect(open('192.0.2.2').isOpen).toBe(true)
    expect([openOf(busy), idle.isOpen]).toEqual([Array(5).fill(true), false])
    expect(open('192.0.2.3').isOpen).toBe(false)
    expect(openOf(busy)).toEqual(Array(5).fill(true))
  })

  it('replaces none whose answer is not sent', () => {
    const [unread] = openAll('192.0.2.1', MAX)
    Object.defineProperty(unread?.socket, 'writableLength', { value: 1 })
    open('192.0.2.2')
    expect(unread?.isOpen).toBe(true)
  })

  it('replaces one that was idle since the last look before those that were not', () => {
    const connections = openAll('192.0.2.1', MAX)
    connections[0]?.send()
    connections[2]?.send()
    for (const address of ['192.0.2.2', '192.0.2.3']) open(address)
    expect(openOf(connections)).toEqual([true, false, true, false, true, true])
    for (const connection of connections) connection.send()
    open('192.0.2.4')
    expect(openOf(connections)).toEqual([true, false, true, false, false, true])
  })

  it('takes slots until both addresses hold as many', () => {
    const most = openAll('192.0.2.1', MAX)
    const own = openAll('192.0.2.2', 2 * MAX)
    expect([...most, ...own].filter(({ isOpen }) => isOpen)).toHaveLength(MAX)
    expect(most.filter(({ isOpen }) => isOpen)).toHaveLength(MAX / 2)
  })
})

describe('once every slot is taken and none is idle, a new connection', () => {
  const MANY = 9

  beforeEach(() => {
    slots = new ConnectionSlots({ max: MANY, onClosed: () => undefined })
  })

  it('replaces one of the address that holds the most whose request is arriving, rather one that has sent nothing of it', () => {
    const connections = openAll('192.0.2.1', MANY, 'receiving')
    connections[0]?.send()
    expect(open('192.0.2.2').isOpen).toBe(true)
    expect(openOf(connections)).toEqual([true, false, ...Array(MANY - 2).fill(true)])
  })

  it('replaces an idle one first', () => {
    const receiving = openAll('192.0.2.1', MANY - 1, 'receiving')
    const idle = open('192.0.2.1').send()
    expect(open('192.0.2.2').isOpen).toBe(true)
    expect([openOf(receiving), idle.isOpen]).toEqual([Array(MANY - 1).fill(true), false])
  })

  it('is refused if each address holds only a few whose requests are arriving', () => {
    const receiving = openAll('192.0.2.1', MANY - 1, 'receiving')
    open('192.0.2.2', 'receiving')
    expect(open('192.0.2.3').isOpen).toBe(false)
    expect(openOf(receiving)).toEqual(Array(MANY - 1).fill(true))
  })
})

describe('slots that always make room replace', () => {
  beforeEach(() => {
    slots = new ConnectionSlots({ max: MAX, alwaysMakesRoom: true, onClosed: () => closed++ })
  })

  it('a busy connection of the address that holds the most, if none is idle', () => {
    const busy = openAll('192.0.2.1', MAX - 1, 'busy')
    const few = open('192.0.2.2')
    const further = open('192.0.2.2', 'busy')
    expect([openOf(busy), few.isOpen, further.isOpen]).toEqual([[false, true, true, true, true], true, true])
    expect(closed).toBe(1)
  })

  it('the least needed one for a new one of the same address', () => {
    const busy = open('192.0.2.1', 'busy')
    const [first, ...others] = openAll('192.0.2.1', MAX - 1)
    expect(open('192.0.2.1').isOpen).toBe(true)
    expect([busy.isOpen, first?.isOpen, openOf(others)]).toEqual([true, false, Array(MAX - 2).fill(true)])
  })
})

describe('a slot', () => {
  it('is free once its connection has closed', () => {
    const [first] = openAll('192.0.2.1', MAX)
    slots.release(first?.socket as Socket)
    expect(slots.areTaken).toBe(false)
    const next = open('192.0.2.1')
    slots.release(next.socket)
    expect(slots.areTaken).toBe(false)
  })

  it('of a client that holds the most is found in few looks, and none of thousands twice', () => {
    slots = new ConnectionSlots({ max: 10_000, onClosed: () => undefined })
    let looks = 0
    for (let i = 0; i < 10_000; i++) {
      const { socket } = new Connection('192.0.2.1').send()
      slots.admit(socket, () => {
        looks++
        return i === 100 ? 'idle' : 'busy'
      })
    }
    expect(open('192.0.2.2').isOpen).toBe(false)
    expect(looks).toBeLessThanOrEqual(2 * 64)
    expect(open('192.0.2.2').isOpen).toBe(true)
  })
})
