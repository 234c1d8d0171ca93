import { withRoom } from '../lib/with-room.ts'
import type { Status } from './status.ts'

/** Bytes before each message: whether it is compressed, and its length. */
const PREFIX_BYTES = 5

/** The largest message of a request. */
export const MAX_MESSAGE_BYTES = 1024 * 1024

/** A message with its prefix, as it is sent. */
export function frameOf(message: Buffer): Buffer {
  const frame = Buffer.allocUnsafe(PREFIX_BYTES + message.length)
  frame[0] = 0
  frame.writeUInt32BE(message.length, 1)
  message.copy(frame, PREFIX_BYTES)
  return frame
}

const NOTHING = Buffer.alloc(0)

/** The one message of a request, while it arrives. What arrives in parts is copied to one buffer: a part can keep far more memory than its bytes. */
export class ArrivingMessage {
  #bytes: Buffer = NOTHING
  #length = 0

  /** Memory of what has arrived. */
  get heldBytes(): number {
    return this.#bytes.length
  }

  get isComplete(): boolean {
    return this.#length >= PREFIX_BYTES && this.#length >= this.#announced
  }

  /** Why the request is refused, as far as it is known; `undefined` if it may go on. */
  add(chunk: Buffer): Status | undefined {
    const start = this.#length
    this.#length += chunk.length
    if (start === 0 && isWhole(chunk)) this.#bytes = chunk
    else {
      this.#bytes = withRoom(this.#bytes, this.#length, PREFIX_BYTES + MAX_MESSAGE_BYTES)
      chunk.copy(this.#bytes, start)
    }
    return this.#length < PREFIX_BYTES ? undefined : this.#prefixFault()
  }

  /** The message once everything has arrived, or why there is none. */
  finish(): Buffer | Status {
    if (!this.isComplete) return refusal('the message is cut off')
    if (this.#length > this.#announced) return refusal('the call has more than one message; one is expected')
    return this.#bytes.subarray(PREFIX_BYTES, this.#length)
  }

  get #announced(): number {
    return announcedBytes(this.#bytes)
  }

  #prefixFault(): Status | undefined {
    const flag = this.#bytes[0] as number
    if (flag !== 0) return { name: 'UNIMPLEMENTED', message: 'the message is compressed; send it uncompressed' }
    if (this.#announced - PREFIX_BYTES > MAX_MESSAGE_BYTES) {
      const message = `the message has ${this.#announced - PREFIX_BYTES} bytes; ${MAX_MESSAGE_BYTES} are allowed`
      return { name: 'RESOURCE_EXHAUSTED', message }
    }
    return this.#length > this.#announced ? refusal('the call has more than one message; one is expected') : undefined
  }
}

/** Whether a request of these bytes is complete. */
function isWhole(bytes: Buffer): boolean {
  return bytes.length >= PREFIX_BYTES && bytes.length >= announcedBytes(bytes)
}

/** The length of a message that begins with these bytes, its prefix included. */
function announcedBytes(bytes: Buffer): number {
  return PREFIX_BYTES + bytes.readUInt32BE(1)
}

function refusal(message: string): Status {
  return { name: 'INVALID_ARGUMENT', message }
}
