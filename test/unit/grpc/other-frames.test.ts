import type { Socket } from 'node:net'
import { expect, it } from '@jest/globals'
import { OtherFrames } from '../../../src/grpc/other-frames.ts'

const KIB = 1024

/** Frames of a socket that has read nothing yet. */
function framesOf() {
  const socket = { bytesRead: 0 }
  const frames = new OtherFrames(socket as Socket)
  const startMs = performance.now()
  return { socket, frames, areTooMany: (afterMs = 0) => frames.areTooMany(startMs + afterMs) }
}

it('a connection may send 64 KiB of other frames at once, and 64 KB a second', () => {
  const { socket, areTooMany } = framesOf()
  socket.bytesRead = 60 * KIB
  expect(areTooMany()).toBe(false)
  socket.bytesRead += 60 * KIB
  expect(areTooMany(1_000)).toBe(false)
  socket.bytesRead += 60 * KIB
  expect(areTooMany(1_100)).toBe(true)
})

it('what calls need is no other frame', () => {
  const { socket, frames, areTooMany } = framesOf()
  for (let i = 0; i < 1_000; i++) {
    frames.countHead({ ':path': '/a', 'x-large': 'x'.repeat(4_000) })
    frames.countPart(16 * KIB)
    socket.bytesRead += 4_000 + 16 * KIB
  }
  expect(areTooMany()).toBe(false)
})

it('what compressed calls did not need covers no later frame', () => {
  const { socket, frames, areTooMany } = framesOf()
  for (let i = 0; i < 1_000; i++) frames.countHead({ 'x-large': 'x'.repeat(4_000) })
  socket.bytesRead = 1_000
  expect(areTooMany()).toBe(false)
  socket.bytesRead += 70 * KIB
  expect(areTooMany(1)).toBe(true)
})
