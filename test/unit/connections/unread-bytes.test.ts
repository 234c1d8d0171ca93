import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import { expect, it, jest } from '@jest/globals'
import { SlowReaders } from '../../../src/connections/unread-bytes.ts'

const LIMIT_MS = 10_000

const sockets = { unreadBytes: ({ writableLength }: Socket) => writableLength, sendsTooSlowly: () => false }

/** A connection with unread bytes, of which its client has read some. */
function connection(unread: number, read = 0) {
  const internals = { _bytesDispatched: read + unread, _handle: { writeQueueSize: unread } }
  return Object.assign(new EventEmitter(), { writableLength: unread, ...internals, destroy: jest.fn() })
}

const asSocket = (fake: ReturnType<typeof connection>) => fake as unknown as Socket

it('clients with unread bytes are found, and those that read meanwhile are progressing', () => {
  const [stopped, reading, idle] = [connection(100), connection(100_000), connection(0)]
  const readers = new SlowReaders(LIMIT_MS)
  const look = () => readers.disconnectFrom([stopped, reading, idle].map(asSocket), sockets)
  const now = jest.spyOn(performance, 'now').mockReturnValue(0)
  look()
  now.mockReturnValue(1_000)
  reading._handle.writeQueueSize = 50_000
  expect(look()).toEqual([
    { connection: stopped, bytes: 100, isProgressing: false },
    { connection: reading, bytes: 100_000, isProgressing: true },
  ])
  now.mockReturnValue(LIMIT_MS)
  expect(look().map(found => found.connection)).toEqual([reading])
  expect(stopped.destroy).toHaveBeenCalled()
  now.mockRestore()
})

it('a client is not slow while its responses wait for an earlier one', () => {
  const waiting = connection(0)
  const readers = new SlowReaders(LIMIT_MS)
  const look = () => readers.disconnectFrom([asSocket(waiting)], { ...sockets, unreadBytes: () => 4_096 })
  const now = jest.spyOn(performance, 'now').mockReturnValue(0)
  look()
  now.mockReturnValue(2 * LIMIT_MS)
  expect(look()).toEqual([{ connection: waiting, bytes: 4_096, isProgressing: true }])
  expect(waiting.destroy).not.toHaveBeenCalled()
  now.mockRestore()
})
