import type { Socket } from 'node:net'
import type { Answered, Connection } from './connection.ts'
import { openSocket } from './open-socket.ts'

const LINE_FEED = 10
const ERROR = 45
const OK = 200
const FAILED = 500

/**
 * A connection of the Redis protocol whose replies are arrays of integers. It counts their lines.
 * @see https://redis.io/docs/latest/develop/reference/protocol-spec/
 */
export class RespConnection implements Connection {
  sentAt = 0
  readonly #socket: Socket
  readonly #linesOfAnswer: number
  #linesLeft = 0

  /** @param linesOfAnswer of all replies to one request together */
  constructor(port: number, answered: Answered, linesOfAnswer: number) {
    this.#linesOfAnswer = linesOfAnswer
    this.#socket = openSocket(port)
    this.#socket.on('data', bytes => {
      if (bytes[0] === ERROR) return answered(this, FAILED)
      this.#linesLeft -= countLines(bytes)
      if (this.#linesLeft === 0) answered(this, OK)
    })
  }

  send(request: Buffer, sentAt: number): void {
    this.sentAt = sentAt
    this.#linesLeft = this.#linesOfAnswer
    this.#socket.write(request)
  }

  close(): void {
    this.#socket.destroy()
  }
}

function countLines(bytes: Buffer): number {
  let lines = 0
  for (let at = bytes.indexOf(LINE_FEED); at !== -1; at = bytes.indexOf(LINE_FEED, at + 1)) lines++
  return lines
}
