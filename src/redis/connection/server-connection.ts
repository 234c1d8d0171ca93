import { type Command, Redis, ReplyError } from 'ioredis'
import { isReply } from './failure-reason.ts'

/** A line of INFO. */
const IS_LOADING = /^loading:1\r?$/m

/**
 * A connection to one server. ioredis continues in database 0 if the server refuses to select another one, and does not say when it
 * waits for a server that loads its data. Here, a connection whose database is refused never becomes ready, and is tried again.
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
    if (command.name === 'info' && this.status === 'connect') {
      // The check whether the server is ready. Without an answer it ends with the connection.
      if (this.#isDatabaseRefused) return command.promise
      this.#reportLoading(command)
    }
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

  #reportLoading(info: Command): void {
    info.promise.then(
      text => {
        if (IS_LOADING.test(String(text)))
          this.silentEmit('error', new ReplyError('LOADING Redis is loading the dataset in memory'))
      },
      () => undefined,
    )
  }
}
