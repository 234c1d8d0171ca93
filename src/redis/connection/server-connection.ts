import { type Command, Redis } from 'ioredis'
import { isReply } from './failure-reason.ts'

/**
 * A connection to one server. ioredis continues in database 0 if the server refuses to select another one. Here, such a connection
 * never becomes ready, and is tried again.
 */
export class ServerConnection extends Redis {
  #isDatabaseRefused = false

  /** BullMQ duplicates its connection. */
  override duplicate(...[override]: Parameters<Redis['duplicate']>): ReturnType<Redis['duplicate']> {
    const options = { ...this.options, ...override, replyMapping: 'legacy' as const }
    return new ServerConnection(options)
  }

  override sendCommand(...[command, stream]: Parameters<Redis['sendCommand']>): unknown {
    if (command.name === 'select') this.#watchSelect(command)
    // The check whether the server is ready. Without an answer it ends with the connection.
    if (command.name === 'info' && this.status === 'connect' && this.#isDatabaseRefused) return command.promise
    return super.sendCommand(command, stream)
  }

  #watchSelect(select: Command): void {
    this.#isDatabaseRefused = false
    select.promise.catch(err => {
      if (!isReply(err)) return
      this.#isDatabaseRefused = true
      this.disconnect(true)
    })
  }
}
