import type { Socket } from 'node:net'
import { clientOf } from '../lib/client-of.ts'
import { disconnectInTurn } from './disconnect.ts'
import type { SharedBound } from './shared-bound.ts'
import { SocketInput } from './socket-input.ts'

/** What is held before the connection is not read, in bytes: 16 requests, as many as a client may pipeline, of 8 KiB. */
const MAX_BYTES = 128 * 1024

/**
 * What has arrived on a connection while an earlier request is answered. It is read all the same, so that a process that drains knows the
 * requests that it has to answer.
 */
export class HeldInput {
  readonly #input: SocketInput
  readonly #memory: SharedBound
  readonly #client: string
  readonly #cut: () => void
  readonly #parts: Buffer[] = []
  #bytes = 0

  /** @param memory that all clients share */
  constructor(connection: Socket, memory: SharedBound) {
    this.#input = new SocketInput(connection)
    this.#memory = memory
    this.#client = clientOf(connection.remoteAddress)
    this.#cut = () => disconnectInTurn(connection)
    connection.once('close', () => {
      this.#parts.length = 0
      this.#hold(0)
    })
  }

  get isEmpty(): boolean {
    return this.#parts.length === 0
  }

  add(part: Buffer): void {
    this.#parts.push(part)
    this.#hold(this.#bytes + part.length)
    if (this.#bytes >= MAX_BYTES) this.#input.pause()
  }

  /** Takes the oldest part. */
  take(): Buffer | undefined {
    const part = this.#parts.shift()
    if (part === undefined) return undefined
    this.#hold(this.#bytes - part.length)
    if (this.#bytes < MAX_BYTES) this.#input.resume()
    return part
  }

  #hold(bytes: number): void {
    this.#bytes = bytes
    this.#memory.hold(this.#client, this.#cut, bytes)
  }
}
