import { HEARTBEAT_INTERVAL_MS } from './hang-watch.ts'
import type { FromChild, ToChild } from './messages.ts'

/** Command-line argument of a process that is supervised by its parent. */
export const SUPERVISED = '--supervised'

/** Command-line argument of a worker whose queue is lost with the store, so it must drain the queue before it stops. */
export const EMPTY_QUEUE_FIRST = '--empty-queue-first'

/** How long a worker may take for that, in ms, as long as it advances. */
export const MAX_DRAIN_MS = 300_000

/** A supervised process's channel to its parent. */
export class ParentLink {
  /** The channel of this process, or `undefined` if it is not supervised. */
  static ofThisProcess(): ParentLink | undefined {
    if (!process.argv.includes(SUPERVISED)) return undefined
    const link = new ParentLink()
    setInterval(() => link.send({ type: 'alive' }), HEARTBEAT_INTERVAL_MS).unref()
    return link
  }

  send(message: FromChild): void {
    void this.sendAndFlush(message)
  }

  /** Resolves once the message has been written. Resolves also if the parent is gone: that must not fail the caller. */
  sendAndFlush(message: FromChild): Promise<void> {
    return new Promise(resolve => {
      if (process.connected && process.send !== undefined) process.send(message, undefined, {}, () => resolve())
      else resolve()
    })
  }

  onMessage(listener: (message: ToChild) => void): void {
    process.on('message', message => listener(message as ToChild))
  }

  /** Calls back when the parent is gone, even if it ended before this call. */
  onLost(listener: () => void): void {
    if (process.connected) process.on('disconnect', listener)
    else setImmediate(listener)
  }
}
