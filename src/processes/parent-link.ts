import { BEAT_INTERVAL_MS } from './hang-watch.ts'
import type { FromChild, ToChild } from './messages.ts'

/** The argument by which a process knows that its parent supervises it. */
export const SUPERVISED = '--supervised'

/** The argument by which a worker knows that its queue ends with the store, and so must be emptied first. */
export const EMPTY_QUEUE_FIRST = '--empty-queue-first'

/** A child's line to the parent that supervises it. */
export class ParentLink {
  /** The line of this process, or `undefined` when it was started by itself. */
  static ofThisProcess(): ParentLink | undefined {
    if (!process.argv.includes(SUPERVISED)) return undefined
    const link = new ParentLink()
    setInterval(() => link.send({ type: 'alive' }), BEAT_INTERVAL_MS).unref()
    return link
  }

  send(message: FromChild): void {
    void this.sendLast(message)
  }

  /** Resolves once the message has left this process, or cannot: a parent that has just died is no reason to die too. */
  sendLast(message: FromChild): Promise<void> {
    return new Promise(resolve => {
      if (process.connected && process.send !== undefined) process.send(message, undefined, {}, () => resolve())
      else resolve()
    })
  }

  onMessage(listener: (message: ToChild) => void): void {
    process.on('message', message => listener(message as ToChild))
  }

  /** The parent is gone, however it ended; perhaps before this process had begun to look. */
  onLost(listener: () => void): void {
    if (process.connected) process.on('disconnect', listener)
    else setImmediate(listener)
  }
}
