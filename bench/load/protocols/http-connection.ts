import type { Socket } from 'node:net'
import type { Answered, Connection } from './connection.ts'
import { openSocket } from './open-socket.ts'

const HEAD_END = Buffer.from('\r\n\r\n')
const LENGTH_FIELD = Buffer.from('\r\ncontent-length: ')
const STATUS_AT = 'HTTP/1.1 '.length
const ZERO = 48
const NINE = 57

/** One for all connections, since nothing of an answer is kept: reading needs no memory of its own. */
const readBuffer = Buffer.allocUnsafe(64 * 1024)

/**
 * A keep-alive connection that has one request under way at a time and looks at nothing but the status and the length of an
 * answer. It takes a fraction of what `node:http` does, which matters where the generator shares the machine with the measured.
 */
export class HttpConnection implements Connection {
  /** From when the latency of the request under way counts. */
  sentAt = 0
  readonly #socket: Socket
  readonly #answered: Answered
  readonly #onHead: ((head: string) => void) | undefined
  #beginning: Buffer | undefined
  #status = 0
  #bodyLeft = 0

  /** @param onHead called with the head of each answer */
  constructor(port: number, answered: Answered, onHead?: (head: string) => void) {
    this.#answered = answered
    this.#onHead = onHead
    this.#socket = openSocket(port, { buffer: readBuffer, callback: length => this.#read(length) })
  }

  send(request: Buffer, sentAt: number): void {
    this.sentAt = sentAt
    this.#socket.write(request)
  }

  close(): void {
    this.#socket.destroy()
  }

  #read(length: number): boolean {
    if (this.#bodyLeft > 0) this.#takeBody(length)
    else if (this.#beginning === undefined) this.#takeHead(readBuffer, length)
    else
      this.#takeHead(Buffer.concat([this.#beginning, readBuffer.subarray(0, length)]), this.#beginning.length + length)
    return true
  }

  #takeHead(bytes: Buffer, length: number): void {
    const end = bytes.indexOf(HEAD_END)
    if (end === -1 || end + HEAD_END.length > length) {
      this.#beginning = Buffer.from(bytes.subarray(0, length))
      return
    }
    this.#beginning = undefined
    this.#onHead?.(bytes.toString('latin1', 0, end))
    this.#status = numberAt(bytes, STATUS_AT)
    const field = bytes.indexOf(LENGTH_FIELD)
    if (field === -1 || field > end) throw new Error(`an answer without a length:\n${bytes.toString('latin1', 0, end)}`)
    this.#bodyLeft = numberAt(bytes, field + LENGTH_FIELD.length)
    this.#takeBody(length - end - HEAD_END.length)
  }

  #takeBody(length: number): void {
    this.#bodyLeft -= length
    if (this.#bodyLeft === 0) this.#answered(this, this.#status)
  }
}

function numberAt(bytes: Buffer, from: number): number {
  let value = 0
  for (let i = from; ; i++) {
    const byte = bytes[i] ?? 0
    if (byte < ZERO || byte > NINE) return value
    value = value * 10 + byte - ZERO
  }
}
