import { Command, Redis } from 'ioredis'
import { startDeadline } from '../../lib/deadline.ts'
import { ConnectionLost } from './transient.ts'

/** The part of ioredis that waits for answers. */
interface WaitingConnection {
  readonly stream: Redis['stream']
  readonly options: { readonly socketTimeout?: number }
  readonly commandQueue: { readonly length: number }
  socketTimeoutTimer: NodeJS.Timeout | undefined
  setSocketTimeout(): void
}

interface WaitingCommand {
  readonly isSettled?: boolean
  readonly reject: (err: Error) => void
  _commandTimeoutTimer?: NodeJS.Timeout
  setTimeout(ms: number): void
}

/*
 * A process can be busy, or stopped, for longer than a timeout of ioredis. Its timers are then due before it reads the answers that have
 * arrived meanwhile, and ioredis would take a store that has answered for hung. Here, the answers are read first.
 */

const connection = Redis.prototype as unknown as WaitingConnection
connection.setSocketTimeout = function () {
  const { stream, options } = this
  const limitMs = options.socketTimeout as number
  let isHeard = false
  this.socketTimeoutTimer = startDeadline(limitMs, () => {
    if (isHeard || stream.destroyed) return
    this.socketTimeoutTimer = undefined
    stream.destroy(new ConnectionLost(`the server has sent nothing for ${limitMs} ms`))
  })
  // The listener of the replies comes first, so the queue is up to date.
  stream.once('data', () => {
    isHeard = true
    clearTimeout(this.socketTimeoutTimer)
    this.socketTimeoutTimer = undefined
    if (this.commandQueue.length > 0) this.setSocketTimeout()
  })
}

const command = Command.prototype as unknown as WaitingCommand
command.setTimeout = function (ms) {
  this._commandTimeoutTimer ??= startDeadline(ms, () => {
    if (!this.isSettled) this.reject(new Error('Command timed out'))
  })
}
