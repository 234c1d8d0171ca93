import RedisParser from 'redis-parser'
import type { Connection } from './connection.ts'

export type Reply = string | number | null | Reply[]

/** More steps than any command takes that is used here before the next part of its reply is there. */
const MAX_SILENT_STEPS = 100

/** A client in the store's own process, whose commands are answered at once. */
export class InProcessConnection {
  /** What the server reads from and writes to. */
  readonly end: Connection
  readonly #step: () => void
  readonly #parser: RedisParser
  readonly #received: (Reply | Error)[] = []
  #silentSteps = 0

  constructor(step: () => void) {
    this.end = { socket: this, chunks: [], off: 0, eof: false, backpressured: false }
    this.#step = step
    const receive = (reply: Reply | Error) => this.#received.push(reply)
    this.#parser = new RedisParser({ returnReply: receive, returnError: receive })
  }

  /** @throws what the server answers as an error */
  call(...args: readonly (string | number)[]): Reply {
    this.end.chunks.push(encode(args.map(String)))
    for (this.#silentSteps = 0; this.#silentSteps < MAX_SILENT_STEPS && this.#received.length === 0; ) {
      this.#silentSteps++
      this.#step()
    }
    const reply = this.#received.shift()
    if (reply === undefined) throw new Error(`the embedded store did not answer ${args[0]}`)
    if (reply instanceof Error) throw reply
    return reply
  }

  /** Whatever was pushed to this connection since it was asked last. */
  takePushed(): (Reply | Error)[] {
    return this.#received.splice(0)
  }

  write(bytes: Buffer): boolean {
    this.#silentSteps = 0
    this.#parser.execute(bytes)
    return true
  }

  destroy(): void {
    this.end.eof = true
  }
}

/** @see https://redis.io/docs/latest/develop/reference/protocol-spec/ */
function encode(args: readonly string[]): Buffer {
  const parts = args.map(arg => `$${Buffer.byteLength(arg)}\r\n${arg}\r\n`)
  return Buffer.from(`*${args.length}\r\n${parts.join('')}`)
}
