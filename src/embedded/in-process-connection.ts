import RedisParser from 'redis-parser'
import { type Command, type EncodedCommands, encode } from './commands.ts'
import type { Connection } from './connection.ts'

export type Reply = string | number | null | Reply[]

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
    return this.send(encode(commands))
  }

  /** The same for commands that are encoded already. */
  send({ bytes, count }: EncodedCommands): Reply[] {
    // The server takes an empty read for the end of the connection.
    if (count === 0) return []
    this.end.chunks.push(bytes)
    for (this.#silentSteps = 0; this.#silentSteps < MAX_SILENT_STEPS && this.#received.length < count; ) {
      this.#silentSteps++
      this.#step()
    }
    const replies = this.#received.splice(0, count)
    if (replies.length < count) throw new Error(`the embedded store answered ${replies.length} of ${count} commands`)
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
