import { Command } from 'ioredis'
import dataHandlers from 'ioredis/built/DataHandler.js'
import { MalformedReply } from './transient.ts'

const SLOTS = 16_384

/** The part of ioredis that assigns the replies of one connection to its commands. */
interface ReplyHandler {
  readonly redis: { recoverFromFatalError(commandErr: Error, err: Error, options: { offlineQueue: boolean }): void }
  dispatch(handle: () => void): void
}

/**
 * ioredis reads a few replies without looking at their types, and throws what comes of it where nobody can catch it, which ends the
 * process. Here, the connection counts as lost, as if the bytes were not of the protocol.
 */
const handler = dataHandlers.default.prototype as unknown as ReplyHandler
handler.dispatch = function (handle) {
  try {
    handle()
  } catch (cause) {
    const err = new MalformedReply('the server sent a malformed reply', { cause })
    this.redis.recoverFromFatalError(err, err, { offlineQueue: false })
  }
}

// Callbacks of ioredis and BullMQ take these apart, also where nobody can catch an error. A connection becomes ready after INFO.
refuseUnless('info', reply => typeof reply === 'string')
refuseUnless('cluster', reply => (Array.isArray(reply) ? reply.every(isKeyOrSlots) : reply !== null))

function refuseUnless(command: string, isWellFormed: (reply: unknown) => boolean): void {
  Command.setReplyTransformer(command, reply => {
    if (isWellFormed(reply)) return reply
    throw new MalformedReply(`the server sent a malformed reply to ${command.toUpperCase()}`)
  })
}

/** An item of `CLUSTER GETKEYSINSLOT`, or of `CLUSTER SLOTS`. */
function isKeyOrSlots(item: unknown): boolean {
  if (!Array.isArray(item)) return typeof item === 'string'
  const [start, end, ...nodes] = item
  return isSlot(start) && isSlot(end) && nodes.every(Array.isArray)
}

function isSlot(slot: unknown): boolean {
  return Number.isInteger(slot) && (slot as number) >= 0 && (slot as number) < SLOTS
}
