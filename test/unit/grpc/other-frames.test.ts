import type { Http2Session } from 'node:http2'
import type { Socket } from 'node:net'
import { expect, it, jest } from '@jest/globals'
import { OtherFrames } from '../../../src/grpc/other-frames.ts'

const KIB = 1024

/** Frames of a socket that has read nothing yet. */
function framesOf() {
  const socket = { bytesRead: 0 }
  const state = { effectiveRecvDataLength: 0 }
  const startMs = performance.now()
  const clock = jest.spyOn(performance, 'now').mockReturnValueOnce(startMs)
  const frames = new OtherFrames(socket as Socket, { state } as Http2Session)
  clock.mockRestore()
  return { socket, state, frames, excess: (afterMs = 0) => frames.takeExcess(startMs + afterMs) }
}

it('a connection may send 32 KiB of other frames at once, and 64 KB a second', () => {
  const { socket, excess } = framesOf()
  socket.bytesRead = 30 * KIB
  expect(excess()).toBe(0)
  socket.bytesRead += 60 * KIB
  expect(excess(1_000)).toBe(0)
  socket.bytesRead += 60 * KIB
  expect(excess(1_100)).toBeGreaterThan(40 * KIB)
})

it('what a connection has sent too much counts once', () => {
  const { socket, excess } = framesOf()
  socket.bytesRead = 38 * KIB
  expect(excess()).toBeCloseTo(6 * KIB, -2)
  expect(excess()).toBe(0)
  socket.bytesRead += 5 * KIB
  expect(excess()).toBeCloseTo(5 * KIB, -2)
})

it('what calls need is no other frame', () => {
  const { socket, frames, excess } = framesOf()
  for (let i = 0; i < 1_000; i++) {
    frames.countHead({ ':path': '/a', 'x-large': 'x'.repeat(4_000) })
    frames.countPart(16 * KIB)
    socket.bytesRead += 4_000 + 16 * KIB
  }
  expect(excess()).toBe(0)
})

it('parts of messages that nobody has read are no other frames', () => {
  const { socket, state, excess } = framesOf()
  socket.bytesRead = 94 * KIB
  state.effectiveRecvDataLength = 64 * KIB
  expect(excess()).toBe(0)
  state.effectiveRecvDataLength = 0
  expect(excess()).toBeCloseTo(62 * KIB, -2)
})

it('what compressed calls did not need covers no later frame', () => {
  const { socket, frames, excess } = framesOf()
  for (let i = 0; i < 1_000; i++) frames.countHead({ 'x-large': 'x'.repeat(4_000) })
  socket.bytesRead = 1_000
  expect(excess()).toBe(0)
  socket.bytesRead += 44 * KIB
  expect(excess(1)).toBeGreaterThan(0)
})
