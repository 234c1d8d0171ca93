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

/** The one message of a request, while it arrives. */
export class ArrivingMessage {
  #bytes: Buffer | undefined
  readonly #further: Buffer[] = []
  #length = 0
  #chunks = 0

  get heldBytes(): number {
    return this.#length
  }

  get isComplete(): boolean {
    return this.#length >= PREFIX_BYTES && this.#length >= this.#announced
  }

  /** Whether it arrived in parts. */
  get hasWaited(): boolean {
    return this.#chunks > 1
  }

  /** Why the request is refused, as far as it is known; `undefined` if it may go on. */
  add(chunk: Buffer): Status | undefined {
    this.#length += chunk.length
    this.#chunks++
    if (this.#bytes === undefined) this.#bytes = chunk
    else this.#further.push(chunk)
    if (this.#length < PREFIX_BYTES) return undefined
    if (this.#bytes.length < PREFIX_BYTES) this.#join()
    return this.#prefixFault()
  }

  /** The message once everything has arrived, or why there is none. */
  finish(): Buffer | Status {
    this.#join()
    const bytes = this.#bytes as Buffer
    if (this.#length < PREFIX_BYTES || this.#length < this.#announced) return refusal('the message is cut off')
    if (this.#length > this.#announced) return refusal('the call has more than one message; one is expected')
    return bytes.subarray(PREFIX_BYTES)
  }

  get #announced(): number {
    return PREFIX_BYTES + (this.#bytes as Buffer).readUInt32BE(1)
  }

  #join(): void {
    this.#bytes = Buffer.concat([this.#bytes ?? Buffer.alloc(0), ...this.#further.splice(0)])
  }

  #prefixFault(): Status | undefined {
    const flag = (this.#bytes as Buffer)[0] as number
    if (flag !== 0) return { name: 'UNIMPLEMENTED', message: 'the message is compressed; send it uncompressed' }
    if (this.#announced - PREFIX_BYTES > MAX_MESSAGE_BYTES) {
      const message = `the message has ${this.#announced - PREFIX_BYTES} bytes; ${MAX_MESSAGE_BYTES} are allowed`
      return { name: 'RESOURCE_EXHAUSTED', message }
    }
    return this.#length > this.#announced ? refusal('the call has more than one message; one is expected') : undefined
  }
}

function refusal(message: string): Status {
  return { name: 'INVALID_ARGUMENT', message }
}
