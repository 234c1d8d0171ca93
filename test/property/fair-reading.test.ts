import { describe, it } from '@jest/globals'
import fc from 'fast-check'
import type { PacedConnection } from '../../src/connections/paced-connection.ts'
import { ReadEstimate } from '../../src/connections/read-estimate.ts'
import { SocketTurns } from '../../src/connections/socket-turns.ts'
import { PROPERTY_TIMEOUT_MS, runs } from '../support/property-runs.ts'

const PER_TURN = 128
const TURNS = 300

/** As many as a connection may have unanswered over HTTP. */
const MAX_PER_READ = 16

/** The requests of a turn: the system can read a connection when one request is left. */
const TURN_WORTH = PER_TURN + MAX_PER_READ

/** More than are resumed at once, so some wait in every turn. */
const MIN_CONNECTIONS = 600

const requests = fc.oneof(fc.constantFrom(1, 15), fc.integer({ min: 1, max: MAX_PER_READ }))

/** Clients whose connections have these requests in one read after another, again and again. */
const situation = (reads: fc.Arbitrary<readonly number[]>) =>
  fc.record({
    /** Each has the same number of connections, and a few more. */
    clients: fc.array(fc.record({ reads, furtherConnections: fc.nat(20) }), {
      minLength: 2,
      maxLength: 60,
      size: 'max',
    }),
    /** The order in which the system reads connections. */
    order: fc.constantFrom<'as opened' | 'reversed' | 'rotating'>('as opened', 'reversed', 'rotating'),
    turnsToRest: fc.constantFrom(0, 3),
  })

const sameReads = situation(fc.tuple(requests))
const variousReads = situation(fc.array(requests, { minLength: 2, maxLength: 4 }))

type Situation = typeof sameReads extends fc.Arbitrary<infer T> ? T : never

/** A connection that has something to read in every turn. */
class Connection implements PacedConnection {
  readonly client: string
  readonly #reads: readonly number[]
  readonly estimate = new ReadEstimate()
  isReading = true
  reads = 0
  served = 0

  constructor(name: string, reads: readonly number[]) {
    this.client = name
    this.#reads = reads
  }

  pauseReading(): void {
    this.isReading = false
  }

  resumeReading(): void {
    this.isReading = true
  }

  /** Counts from now on. */
  forget(): void {
    this.reads = 0
    this.served = 0
  }

  receive(turns: SocketTurns): void {
    const requests = this.#reads[this.reads++ % this.#reads.length] as number
    for (let i = 0; i < requests; i++) turns.count(this)
    this.served += requests
  }
}

describe('clients that always have something to read', () => {
  it(
    'are served as much as each other, up to the requests of three turns',
    () => expectInEveryTurn(sameReads, connections => expectSharesAlike(connections, 3)),
    PROPERTY_TIMEOUT_MS,
  )

  it(
    'are served as much as each other, up to the requests of a few turns, if their connections have more to read than before',
    () => expectInEveryTurn(variousReads, connections => expectSharesAlike(connections, 7)),
    PROPERTY_TIMEOUT_MS,
  )

  it(
    'have each of their connections read',
    () => expectInEveryTurn(variousReads, expectConnectionsAlike),
    PROPERTY_TIMEOUT_MS,
  )
})

async function expectInEveryTurn(
  situations: fc.Arbitrary<Situation>,
  expectFair: (connections: readonly Connection[]) => void,
): Promise<void> {
  await fc.assert(
    fc.asyncProperty(situations, async drawn => {
      const turns = new SocketTurns({ perTurn: PER_TURN, turnsToRest: drawn.turnsToRest })
      const connections = givenConnections(drawn, turns)
      // Who is read in the first full turn is up to the system.
      await turn(connections, drawn.order, 0, turns)
      for (const connection of connections) connection.forget()
      for (let i = 1; i <= TURNS; i++) {
        await turn(connections, drawn.order, i, turns)
        expectFair(connections)
      }
    }),
    runs(20, 1_000),
  )
}

function givenConnections({ clients }: Situation, turns: SocketTurns): readonly Connection[] {
  const connections = clients.flatMap(({ reads, furtherConnections }, i) => {
    const needed = Math.ceil(MIN_CONNECTIONS / clients.length)
    return Array.from({ length: needed + furtherConnections }, () => new Connection(`client ${i}`, reads))
  })
  for (const connection of connections) turns.add(connection)
  return connections
}

async function turn(
  connections: readonly Connection[],
  order: Situation['order'],
  i: number,
  turns: SocketTurns,
): Promise<void> {
  const inOrder = order === 'reversed' ? connections.toReversed() : connections
  const first = order === 'rotating' ? (i * 7) % connections.length : 0
  for (const connection of [...inOrder.slice(first), ...inOrder.slice(0, first)]) {
    if (connection.isReading) connection.receive(turns)
  }
  await new Promise(setImmediate)
}

/** @param turns whose requests may make a difference */
function expectSharesAlike(connections: readonly Connection[], turns: number): void {
  const served = new Map<string, number>()
  for (const { client, served: requests } of connections) served.set(client, (served.get(client) ?? 0) + requests)
  const [most, least] = [Math.max(...served.values()), Math.min(...served.values())]
  // A matcher would take most of the time.
  if (most - least > turns * TURN_WORTH) throw new Error(`Too different: ${[...served.values()]}`)
}

/** Those that are read together come back in the order of the system. */
function expectConnectionsAlike(connections: readonly Connection[]): void {
  const reads = new Map<string, number[]>()
  for (const connection of connections) {
    const own = reads.get(connection.client) ?? []
    reads.set(connection.client, own)
    own.push(connection.reads)
  }
  for (const own of reads.values()) {
    if (Math.max(...own) > 2 * Math.min(...own) + 2) throw new Error(`Too different: ${own}`)
  }
}
