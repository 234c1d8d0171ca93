import type { ChildProcess } from 'node:child_process'
import { EventEmitter } from 'node:events'
import { beforeEach, describe, expect, it, jest } from '@jest/globals'
import { FairHandovers } from '../../../src/processes/fair-handovers.ts'
import { HEARTBEAT_INTERVAL_MS } from '../../../src/processes/hang-watch.ts'

const ADDRESS = '127.0.0.1:8080:4:-1:0'
const OTHER_ADDRESS = '127.0.0.1:6380:4:-1:0'

let nextSeq = 1
let refused: number
let lost: number

beforeEach(() => {
  refused = 0
  lost = 0
})

/** A connection as node:cluster holds it. */
class Handle {
  isClosed = false
  readonly #peer: string

  constructor(peer: string) {
    this.#peer = peer
  }

  getpeername(out: { address?: string }): void {
    out.address = this.#peer
  }

  close(): void {
    this.isClosed = true
  }
}

/** A front process with its channel, and what node:cluster does with it. */
class FakeProcess extends EventEmitter {
  connected = true
  exitCode: number | null = null
  /** The connections that the process has received; the oldest first. */
  readonly received: { readonly handle: Handle; readonly seq: number; readonly key: string }[] = []
  readonly #child: { send(message: object, handle?: Handle): boolean }

  constructor(handovers: FairHandovers, addresses = [ADDRESS]) {
    super()
    this.#child = Object.assign(this, {
      send: (message: { act?: string; seq: number; key: string }, handle: Handle) => {
        if (message.act === 'newconn') this.received.push({ ...message, handle })
        return true
      },
    })
    handovers.include(this as unknown as ChildProcess)
    for (const key of addresses) this.listen(key)
  }

  /** node:cluster confirms that the process listens. */
  listen(key = ADDRESS): void {
    this.#child.send({ ack: 1, key, errno: null })
  }

  /** node:cluster has accepted a connection, and chosen this process. */
  accept(client: string, key = ADDRESS): Handle {
    const seq = nextSeq++
    const handle = new Handle(client)
    let isConfirmed = false
    const confirm = ({ ack, accepted }: { ack?: number; accepted?: boolean }) => {
      if (ack !== seq || accepted !== true) return
      isConfirmed = true
      handle.close()
    }
    this.on('internalMessage', confirm)
    this.#child.send({ act: 'newconn', seq, key }, handle)
    this.off('internalMessage', confirm)
    expect(isConfirmed).toBe(true)
    return handle
  }

  /** The process takes the connection that it got last. */
  take(accepted = true): void {
    this.emit('internalMessage', { cmd: 'NODE_CLUSTER', ack: this.received.at(-1)?.seq, accepted })
  }

  beat(): void {
    this.emit('message', { type: 'alive' })
  }

  /** As at the end of its channel, while a connection is under way. */
  disconnect(): void {
    this.connected = false
  }

  end(exitCode: number | null): void {
    this.disconnect()
    this.exitCode = exitCode
    this.emit('close')
  }

  get handles(): readonly Handle[] {
    return this.received.map(({ handle }) => handle)
  }
}

function handoversOf({ maxWaiting = 100 } = {}): FairHandovers {
  return new FairHandovers({ maxWaiting, onRefused: () => refused++, onLost: () => lost++ })
}

describe('new connections', () => {
  it('are handed over one at a time, and closed here once the process has them', () => {
    const front = new FakeProcess(handoversOf())
    const [first, second] = [front.accept('10.0.0.1'), front.accept('10.0.0.1')]
    expect(front.handles).toEqual([first])
    expect(first.isClosed).toBe(false)
    front.take()
    expect(first.isClosed).toBe(true)
    expect(front.handles).toEqual([first, second])
    expect(second.isClosed).toBe(false)
  })

  it('come in turns of their clients, the first one of each before further ones', () => {
    const front = new FakeProcess(handoversOf())
    const flood = Array.from({ length: 5 }, () => front.accept('10.0.0.1'))
    const others = [front.accept('10.0.0.2'), front.accept('::ffff:10.0.0.3'), front.accept('10.0.0.2')]
    for (let i = 1; i < 8; i++) front.take()
    expect(front.handles).toEqual([flood[0], others[0], flood[1], others[1], flood[2], others[2], flood[3], flood[4]])
  })

  it('of a client that opens them rarely hardly wait for a flood from hundreds of others', () => {
    const front = new FakeProcess(handoversOf({ maxWaiting: 1_000 }))
    const flood = () => {
      for (let i = 1; i <= 250; i++) front.accept(`10.1.0.${i}`)
    }
    flood()
    for (let i = 0; i < 250; i++) front.take()
    flood()
    const rare = front.accept('10.0.0.2')
    for (let i = 0; i < 2; i++) front.take()
    expect(front.handles.slice(-2)).toContain(rare)
  })

  it('of clients that are known do not wait for a flood of ever new ones', () => {
    const front = new FakeProcess(handoversOf({ maxWaiting: 1_000 }))
    front.accept('10.0.0.2')
    front.take()
    for (let i = 1; i <= 250; i++) front.accept(`10.1.0.${i}`)
    const known = front.accept('10.0.0.2')
    for (let i = 0; i < 2; i++) front.take()
    expect(front.handles).toContain(known)
  })

  it('go to processes in turn, whichever node:cluster has chosen, but not to one that is busy', () => {
    const handovers = handoversOf()
    const [a, b, c] = [new FakeProcess(handovers), new FakeProcess(handovers), new FakeProcess(handovers)]
    const handles = Array.from({ length: 3 }, () => a.accept('10.0.0.1'))
    expect([a, b, c].map(front => front.handles)).toEqual(handles.map(handle => [handle]))
    c.take()
    b.take()
    const [next, last] = [a.accept('10.0.0.1'), a.accept('10.0.0.1')]
    expect(b.handles.at(-1)).toBe(next)
    expect(c.handles.at(-1)).toBe(last)
    expect(a.handles).toHaveLength(1)
  })

  it('of one listening address do not wait for those of another', () => {
    const front = new FakeProcess(handoversOf(), [ADDRESS, OTHER_ADDRESS])
    front.accept('10.0.0.1')
    front.accept('10.0.0.1', OTHER_ADDRESS)
    expect(front.received.map(({ key }) => key)).toEqual([ADDRESS, OTHER_ADDRESS])
  })

  it('wait for a process that begins to listen, if the others are busy', () => {
    const handovers = handoversOf()
    const busy = new FakeProcess(handovers)
    busy.accept('10.0.0.1')
    const waiting = busy.accept('10.0.0.1')
    const next = new FakeProcess(handovers)
    expect(next.handles).toEqual([waiting])
  })

  it('go to another process if one has just stopped to listen', () => {
    const handovers = handoversOf()
    const [stopping, other] = [new FakeProcess(handovers), new FakeProcess(handovers)]
    const handle = stopping.accept('10.0.0.1')
    stopping.take(false)
    expect(other.handles).toEqual([handle])
    other.take()
    stopping.emit('internalMessage', { act: 'close', key: ADDRESS })
    other.accept('10.0.0.1')
    expect(other.handles).toHaveLength(2)
    expect(stopping.handles).toHaveLength(1)
  })

  it('are closed if the process that should get them dies; those that wait go to others', () => {
    const handovers = handoversOf()
    const [dying, other] = [new FakeProcess(handovers), new FakeProcess(handovers)]
    const [ofDying, ofOther, waiting] = [1, 2, 3].map(() => dying.accept('10.0.0.1'))
    dying.end(null)
    expect(ofDying?.isClosed).toBe(true)
    other.take()
    expect(other.handles).toEqual([ofOther, waiting])
  })

  it('are closed once no process listens', () => {
    const front = new FakeProcess(handoversOf())
    const [, waiting] = [front.accept('10.0.0.1'), front.accept('10.0.0.1')]
    front.emit('internalMessage', { act: 'close', key: ADDRESS })
    expect(waiting?.isClosed).toBe(true)
    expect(refused).toBe(0)
  })

  it('are not given to a process that cannot listen, or is no longer connected', () => {
    const handovers = handoversOf()
    const [, unconnected, front] = [
      new FakeProcess(handovers, []),
      new FakeProcess(handovers),
      new FakeProcess(handovers),
    ]
    unconnected.connected = false
    front.accept('10.0.0.1')
    expect(front.handles).toHaveLength(1)
  })

  it('go to another process if the one that should get them stopped in order before', () => {
    const handovers = handoversOf()
    const [stopping, other] = [new FakeProcess(handovers), new FakeProcess(handovers)]
    const handle = stopping.accept('10.0.0.1')
    stopping.end(0)
    expect(handle.isClosed).toBe(false)
    expect(other.handles).toEqual([handle])
  })

  it('are no longer accepted for a process at the end of its channel, which node:cluster hears at once', () => {
    const front = new FakeProcess(handoversOf())
    front.accept('10.0.0.1')
    let isTold = false
    front.once('disconnect', () => {
      isTold = true
    })
    front.disconnect()
    expect([isTold, front.connected]).toEqual([true, false])
  })

  it('count as lost after three heartbeats without an acknowledgement, and the process gets the next one', () => {
    jest.useFakeTimers()
    const beat = (sinceMs: number) => {
      jest.advanceTimersByTime(sinceMs)
      front.beat()
    }
    const front = new FakeProcess(handoversOf())
    const [never, next] = [front.accept('10.0.0.1'), front.accept('10.0.0.1')]
    beat(HEARTBEAT_INTERVAL_MS)
    beat(HEARTBEAT_INTERVAL_MS)
    expect(lost).toBe(0)
    beat(HEARTBEAT_INTERVAL_MS)
    expect(lost).toBe(1)
    expect(never.isClosed).toBe(true)
    expect(front.handles).toEqual([never, next])
    for (let i = 0; i < 10; i++) beat(0)
    // Those that have piled up count once.
    for (let i = 0; i < 10; i++) beat(i === 0 ? 5 * HEARTBEAT_INTERVAL_MS : 0)
    expect(lost).toBe(1)
    front.take()
    for (let i = 0; i < 10; i++) beat(HEARTBEAT_INTERVAL_MS)
    expect(lost).toBe(1)
    jest.useRealTimers()
  })

  it('that are too many cost the client with the most its oldest one', () => {
    const front = new FakeProcess(handoversOf({ maxWaiting: 3 }))
    const [first, oldest, newer] = [1, 2, 3].map(() => front.accept('10.0.0.1'))
    const other = front.accept('10.0.0.2')
    const newest = front.accept('10.0.0.1')
    expect(refused).toBe(1)
    expect(oldest?.isClosed).toBe(true)
    for (let i = 1; i < 4; i++) front.take()
    expect(front.handles).toEqual([first, newer, other, newest])
  })
})

describe('the end of handovers to a process', () => {
  /** Collects the listening addresses at which node:cluster accepts no more connections for the process. */
  const closedFor = (front: FakeProcess): string[] => {
    const closed: string[] = []
    front.on('internalMessage', ({ act, key }: { act?: string; key: string }) => {
      if (act === 'close') closed.push(key)
    })
    return closed
  }

  /** Resolves once the process has ended its handovers, with what had happened by then. */
  async function ended(handovers: FairHandovers, front: FakeProcess, happened: readonly unknown[]) {
    await handovers.end(front as unknown as ChildProcess)
    return [...happened]
  }

  const turns = async () => {
    for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate)
  }

  it('comes once it has taken what was under way; later connections go to the others', async () => {
    const handovers = handoversOf()
    const [ending, other] = [new FakeProcess(handovers), new FakeProcess(handovers)]
    const closed = closedFor(ending)
    const handle = ending.accept('10.0.0.1')
    const taken: string[] = []
    const end = ended(handovers, ending, taken)
    await turns()
    expect(closed).toEqual([ADDRESS])
    other.accept('10.0.0.1')
    other.take()
    other.accept('10.0.0.1')
    expect([ending.handles, other.handles.length]).toEqual([[handle], 2])
    taken.push('handle')
    ending.take()
    expect(await end).toEqual(['handle'])
  })

  it('comes for the last one after it has taken what waits', async () => {
    const handovers = handoversOf()
    const front = new FakeProcess(handovers)
    const closed = closedFor(front)
    const handles = [1, 2, 3].map(() => front.accept('10.0.0.1'))
    const taken: number[] = []
    const end = ended(handovers, front, taken)
    await turns()
    expect(closed).toEqual([ADDRESS])
    for (const i of [1, 2, 3]) {
      taken.push(i)
      front.take()
    }
    expect(await end).toEqual([1, 2, 3])
    expect(front.handles).toEqual(handles)
  })

  it('waits for what node:cluster is still accepting', async () => {
    const handovers = handoversOf()
    const front = new FakeProcess(handovers)
    const closed = closedFor(front)
    const end = ended(handovers, front, [])
    for (let arriving = 0; arriving < 5; arriving++) {
      front.accept('10.0.0.1')
      front.take()
      await new Promise(setImmediate)
    }
    expect(closed).toEqual([])
    expect(await end).toEqual([])
    expect(closed).toEqual([ADDRESS])
  })

  it('comes when the process has died', async () => {
    const handovers = handoversOf()
    const front = new FakeProcess(handovers)
    front.accept('10.0.0.1')
    const end = ended(handovers, front, [])
    await turns()
    front.end(null)
    expect(await end).toEqual([])
  })
})
