import { beforeEach, describe, expect, it } from '@jest/globals'
import type { PacedConnection } from '../../../src/connections/paced-connection.ts'
import { FIRST_EXPECTED, ReadEstimate } from '../../../src/connections/read-estimate.ts'
import { SocketTurns } from '../../../src/connections/socket-turns.ts'

const PER_TURN = 128
const RESTS = 3

/** A connection that has requests to begin whenever it is read. */
class Connection implements PacedConnection {
  readonly client: string
  readonly #requests: number
  readonly estimate = new ReadEstimate()
  isReading = true
  begun = 0

  constructor(requests: number, client = 'a') {
    this.client = client
    this.#requests = requests
  }

  pauseReading(): void {
    this.isReading = false
  }

  resumeReading(): void {
    this.isReading = true
  }

  receive(turns: SocketTurns): void {
    if (!this.isReading) return
    for (let i = 0; i < this.#requests; i++) turns.count(this)
    this.begun += this.#requests
  }
}

let turns: SocketTurns
beforeEach(() => {
  turns = new SocketTurns({ perTurn: PER_TURN, turnsToRest: RESTS })
})

function open(count: number, requests: number, client?: string): Connection[] {
  const connections = Array.from({ length: count }, () => new Connection(requests, client))
  for (const connection of connections) turns.add(connection)
  return connections
}

async function turn(connections: readonly Connection[]): Promise<void> {
  for (const connection of connections) connection.receive(turns)
  await new Promise(setImmediate)
}

const begunBy = (connections: readonly Connection[]) => connections.reduce((sum, { begun }) => sum + begun, 0)

const readingOf = (connections: readonly Connection[]) => connections.filter(({ isReading }) => isReading).length

it('connections within the budget of a turn are read on', async () => {
  const connections = open(PER_TURN - 1, 1)
  for (let i = 1; i <= 3; i++) {
    await turn(connections)
    expect(turns.turn).toBe(i)
    expect(readingOf(connections)).toBe(connections.length)
  }
})

describe('after a full turn', () => {
  it('no connection is read for some turns', async () => {
    const connections = open(50, PER_TURN)
    for (let i = 0; i < RESTS; i++) {
      await turn(connections)
      expect(readingOf(connections)).toBe(0)
    }
    await turn(connections)
    expect(readingOf(connections)).toBe(PER_TURN / FIRST_EXPECTED)
  })

  it('twice as many connections are read from turn to turn if they have little to read', async () => {
    const many = open(1, PER_TURN)
    const quiet = open(120, 0)
    await turn(many)
    const counts: number[] = []
    for (let i = 0; i < RESTS + 3; i++) {
      await turn([])
      counts.push(readingOf(quiet))
    }
    expect(counts).toEqual([0, 0, 31, 95, 120, 120])
  })

  it('the requests of clients count, not their connections', async () => {
    const flood = open(10, PER_TURN)
    const others = open(50, 4, 'b')
    const all = [...flood, ...others]
    for (let i = 0; i < 100; i++) await turn(all)
    const [before, ofFlood] = [begunBy(others), begunBy(flood)]
    for (let i = 0; i < 100; i++) await turn(all)
    const difference = begunBy(others) - before - (begunBy(flood) - ofFlood)
    expect(Math.abs(difference)).toBeLessThanOrEqual(2 * PER_TURN)
  })

  it('nobody waits for connections that have nothing to read', async () => {
    const flood = open(100, 15, 'flood')
    for (let i = 0; i < 300; i++) open(5, 0, `idle ${i}`)
    const [caller] = open(1, 1, 'caller') as [Connection]
    for (let i = 0; i < 400; i++) await turn([...flood, caller])
    const waits: number[] = []
    for (let asked = 0; asked < 50; asked++) {
      for (let i = 0; i < RESTS; i++) await turn(flood)
      const { begun } = caller
      let waited = 0
      for (; caller.begun === begun; waited++) await turn([...flood, caller])
      waits.push(waited)
    }
    expect(Math.max(...waits)).toBeLessThanOrEqual(3 * (RESTS + 1))
  })

  it('a caller is read however many connections with much to read are opened anew', async () => {
    const openFlood = (i: number) => open(1, 2 * PER_TURN, `flood ${i}`)[0] as Connection
    let flood = Array.from({ length: 10 }, (_, i) => openFlood(i))
    const [caller] = open(1, 1, 'caller') as [Connection]
    for (let i = 0; i < 40 * (RESTS + 1); i++) {
      await turn([...flood, caller])
      for (const connection of flood) if (connection.begun > 0) turns.delete(connection)
      flood = flood.map((connection, i) => (connection.begun > 0 ? openFlood(i) : connection))
    }
    expect(caller.begun).toBeGreaterThanOrEqual(3)
  })

  it('a connection that has closed is not read again', async () => {
    const [closed, stays] = open(2, PER_TURN)
    await turn([closed as Connection])
    turns.delete(closed as Connection)
    for (let i = 0; i <= RESTS; i++) await turn([])
    expect([closed?.isReading, stays?.isReading]).toEqual([false, true])
  })
})

describe('if requests show only once they are counted at the end of a turn', () => {
  const REQUESTS = 16
  let connections: Connection[]
  let unseen: Connection[]
  beforeEach(() => {
    turns = new SocketTurns({ perTurn: PER_TURN, countRest: countUnseen })
    connections = open(100, REQUESTS)
    unseen = connections
  })

  function countUnseen(): void {
    for (const connection of unseen) turns.count(connection, REQUESTS)
    unseen = []
  }

  /** Every connection that is read has something to read. Returns how many are. */
  async function readAll(): Promise<number> {
    unseen = connections.filter(({ isReading }) => isReading)
    for (const connection of unseen) connection.begun++
    const { length } = unseen
    await new Promise(setImmediate)
    return length
  }

  it('no more connections than a turn has time for are read in each, once requests of an earlier one were counted', async () => {
    countUnseen()
    await readAll()
    for (let i = 0; i < 50; i++) expect(await readAll()).toBeLessThanOrEqual(PER_TURN / FIRST_EXPECTED)
    expect(await readAll()).toBeLessThanOrEqual(PER_TURN / REQUESTS)
  })

  it('connections are read equally often', async () => {
    countUnseen()
    for (let i = 0; i < 50; i++) await readAll()
    const counts = connections.map(({ begun }) => begun)
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(2)
  })
})

describe('while many clients send much', () => {
  it.each([3, 15])('every connection is read, whatever the order of reading: %i requests each', async requests => {
    const connections = Array.from({ length: 400 }, (_, i) => open(1, requests, `client ${i % 200}`)).flat()
    for (const order of [connections, connections.toReversed()]) {
      for (const connection of connections) connection.begun = 0
      for (let i = 0; i < 500; i++) await turn(order)
      expect(Math.min(...connections.map(({ begun }) => begun))).toBeGreaterThan(0)
    }
  })

  it('a client with a few requests waits for a few turns, once those with many are known', async () => {
    const flood = Array.from({ length: 400 }, (_, i) => open(1, 15, `client ${i % 200}`)).flat()
    const [other] = open(1, 1, 'other')
    const all = [...flood, other as Connection]
    for (let i = 0; i < 150; i++) await turn(all)
    const before = other?.begun ?? 0
    for (let i = 0; i < 100; i++) await turn(all)
    expect((other?.begun ?? 0) - before).toBeGreaterThan(10)
  })
})

it('no connection that waits is read while what was read before is not handled', async () => {
  let isBehind = true
  turns = new SocketTurns({ perTurn: PER_TURN, isBehind: () => isBehind })
  const connections = open(2 * PER_TURN, 1)
  for (let i = 1; i <= 3; i++) {
    await turn(connections)
    expect(begunBy(connections)).toBe(PER_TURN)
  }
  isBehind = false
  await turn(connections)
  await turn(connections)
  expect(begunBy(connections)).toBeGreaterThan(PER_TURN)
})
