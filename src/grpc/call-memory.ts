import type { ServerHttp2Stream } from 'node:http2'

/** Memory of a call that stays open once it is answered: for later changes of its answer, or until its client reads it. */
const OPEN_CALL_BYTES = 16_384

/** Memory of a call besides its message, until it is known to wait for its client. */
const MIN_HEAD_BYTES = 4_096

/** What counts the memory of calls. */
export interface MemoryOwner {
  /** Called when the memory of a call has changed. @param bytes how many more it holds */
  hold(bytes: number): void
}

/** The memory of one call while it waits for its client, or for its turn. */
export class CallMemory {
  readonly #owner: MemoryOwner
  #bytes = 0
  #headBytes = MIN_HEAD_BYTES
  /** Whether the last inspection has found the call answered. */
  #wasAnswered = false

  constructor(owner: MemoryOwner) {
    this.#owner = owner
  }

  /** The call waits with its request. @param messageBytes what has arrived of its message */
  holdRequest(messageBytes: number): void {
    this.#hold(this.#headBytes + messageBytes)
  }

  /** The call is answered, and stays open. @param unreadBytes what its client has not read */
  holdAnswer(unreadBytes = 0): void {
    this.#hold(OPEN_CALL_BYTES + unreadBytes)
  }

  /**
   * Counts a request that has not arrived completely, or an answer that is not read. An answer counts from the second inspection that
   * finds it: until then, its client may have had no time to read it.
   * @param headBytes what the head of a request can have
   */
  inspect(
    { readableEnded, headersSent, writableLength }: ServerHttp2Stream,
    headBytes: number,
    messageBytes: number,
  ): void {
    if (!readableEnded) {
      this.#headBytes = headBytes
      this.holdRequest(messageBytes)
    } else if (this.#wasAnswered) this.holdAnswer(writableLength)
    this.#wasAnswered = headersSent
  }

  /** The call waits no more. */
  release(): void {
    this.#hold(0)
  }

  #hold(bytes: number): void {
    if (bytes !== this.#bytes) this.#owner.hold(bytes - this.#bytes)
    this.#bytes = bytes
  }
}
