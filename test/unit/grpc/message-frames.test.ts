import { describe, expect, it } from '@jest/globals'
import { ArrivingMessage, frameOf } from '../../../src/grpc/message-frames.ts'

const KIB = 1024

describe('the memory of a message that arrives', () => {
  it('is at most twice its bytes, however small the parts', () => {
    const message = new ArrivingMessage()
    const frame = frameOf(Buffer.alloc(100 * KIB, 1))
    const chunk = Buffer.alloc(64 * KIB)
    for (let at = 0; at < frame.length - 1; at++) {
      chunk[0] = frame[at] as number
      // A hundred thousand calls of `expect` take seconds.
      if (message.add(chunk.subarray(0, 1)) !== undefined) throw new Error(`refused after ${at + 1} bytes`)
      if (message.heldBytes > Math.max(KIB, 2 * (at + 1))) throw new Error(`${message.heldBytes} bytes for ${at + 1}`)
    }
    message.add(frame.subarray(-1))
    expect(message.finish()).toEqual(frame.subarray(5))
  })

  it('is that of its bytes, not that of the buffer in which a part arrived', () => {
    const message = new ArrivingMessage()
    message.add(frameOf(Buffer.alloc(10)).subarray(0, 8))
    expect(message.heldBytes).toBe(KIB)
  })

  it('does not grow with a length that is announced', () => {
    const message = new ArrivingMessage()
    const prefix = Buffer.alloc(5)
    prefix.writeUInt32BE(KIB * KIB, 1)
    message.add(prefix)
    expect(message.heldBytes).toBe(KIB)
  })
})

describe('a message', () => {
  it('is not copied if it arrives at once', () => {
    const message = new ArrivingMessage()
    const frame = frameOf(Buffer.from('abc'))
    message.add(frame)
    expect((message.finish() as Buffer).buffer).toBe(frame.buffer)
  })

  it('of as many bytes as allowed is accepted, and one more byte is refused', () => {
    const message = new ArrivingMessage()
    const frame = frameOf(Buffer.alloc(KIB * KIB))
    expect(message.add(frame.subarray(0, 10))).toBeUndefined()
    expect(message.add(frame.subarray(10))).toBeUndefined()
    expect(message.add(Buffer.alloc(1))).toMatchObject({ name: 'INVALID_ARGUMENT' })
  })
})
