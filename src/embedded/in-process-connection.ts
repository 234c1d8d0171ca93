import RedisParser from 'redis-parser'
import type { Connection } from './connection.ts'

export type Reply = string | number | null | Reply[]
export type Command = readonly (string | number)[]

/** Upper bound of the steps that the server needs to produce the next part of a reply, for any command used here. */
const MAX_SILENT_STEPS = 100

/** A client in the store's own process. Its commands are answered synchronously. */
export class InProcessConnection {
  /** The connection as the server sees it. */
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

  /** @throws an error reply of the server */
  call(...command: Command): Reply {
    const [reply] = this.pipeline([command])
    return reply as Reply
  }

  /**
   * Runs many commands in few steps.
   * @throws the first error among the replies
   */
  pipeline(commands: readonly Command[]): Reply[] {
    // The server takes an empty read for the end of the connection.
    if (commands.length === 0) return []
    this.end.chunks.push(encode(commands))
    for (this.#silentSteps = 0; this.#silentSteps < MAX_SILENT_STEPS && this.#received.length < commands.length; ) {
      this.#silentSteps++
      this.#step()
    }
    const replies = this.#received.splice(0, commands.length)
    if (replies.length < commands.length) {
      throw new Error(`the embedded store did not answer ${commands[replies.length]?.[0]}`)
    }
    return replies.map(reply => {
      if (reply instanceof Error) throw reply
      return reply
    })
  }

  /** All messages pushed to this connection since the last call. */
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
function encode(commands: readonly Command[]): Buffer {
  let text = ''
  for (const command of commands) {
    text += `*${command.length}\r\n`
    for (const argument of command) {
      const value = String(argument)
      text += `$${Buffer.byteLength(value)}\r\n${value}\r\n`
    }
  }
  return Buffer.from(text)
}
