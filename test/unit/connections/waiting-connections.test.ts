import { expect, it } from '@jest/globals'
import type { PacedConnection } from '../../../src/connections/paced-connection.ts'
import { ReadEstimate } from '../../../src/connections/read-estimate.ts'
import { WaitingConnections } from '../../../src/connections/waiting-connections.ts'

const PER_TURN = 128

const connectionOf = (client: string): PacedConnection => ({
  client,
  estimate: new ReadEstimate(),
  pauseReading: () => undefined,
  resumeReading: () => undefined,
})

/** Connections of two clients. The first one was resumed, and paused again in a full turn; the second one waits. */
function givenAFullTurn() {
  const [paused, other] = [connectionOf('a'), connectionOf('b')]
  const waiting = new WaitingConnections(PER_TURN)
  // So it is not new, and little is expected of it.
  other.estimate.begin()
  waiting.add(paused)
  waiting.take()
  waiting.add(other)
  waiting.add(paused)
  return { waiting, paused, other }
}

it('a connection that was not read before a turn was full comes first in the next one', () => {
  const { waiting, paused } = givenAFullTurn()
  waiting.endTurn(true)
  expect(waiting.take()).toEqual([paused])
})

it('a connection that was read, but whose requests are counted only after it was paused, waits as others do', () => {
  const { waiting, paused, other } = givenAFullTurn()
  waiting.wasRead(paused, PER_TURN)
  waiting.endTurn(true)
  expect(waiting.take()).toEqual([other, paused])
})

it('new connections are resumed one at a time once a new one had as much to read as a turn has time for', () => {
  const [first, second, third] = [connectionOf('a'), connectionOf('b'), connectionOf('c')]
  const waiting = new WaitingConnections(PER_TURN)
  waiting.add(first)
  waiting.take()
  waiting.wasRead(first, 2 * PER_TURN)
  waiting.endTurn(true)
  waiting.add(second)
  waiting.add(third)
  expect(waiting.take()).toEqual([second])
  waiting.endTurn(false)
  expect(waiting.take()).toEqual([third])
})
