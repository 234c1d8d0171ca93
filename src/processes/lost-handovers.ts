import type { ChildProcess } from 'node:child_process'

/** A message of node:cluster. The process acknowledges the connection `seq` with the same number as `ack`. */
interface ClusterMessage {
  readonly act?: string
  readonly seq?: number
  readonly ack?: number
}

interface Connection {
  close(): void
}

interface Handover {
  readonly connection: Connection
  /** Heartbeats from the process since the connection was sent. */
  heartbeats: number
}

/**
 * Heartbeats without an acknowledgement after which a connection counts as lost. Messages arrive in order, so a process that
 * received the connection acknowledges it before the second heartbeat. A process that hangs sends none.
 */
const HEARTBEATS_UNTIL_LOST = 3

/**
 * Closes connections that were handed to a process and never arrived, at most one for each listening address. Without this, nobody
 * serves or closes such a connection, and the primary sends the process no others: it still waits for the acknowledgement.
 *
 * A connection does not arrive if the process dies or has no file descriptors left. In the second case the kernel drops the
 * connection and delivers the rest of the message, which Node discards. A process that is still alive becomes available again
 * through an acknowledgement sent on its behalf; node:cluster ignores a late one of its own.
 * @see https://github.com/nodejs/node/blob/v20.x/lib/internal/cluster/round_robin_handle.js
 */
export function closeLostHandovers(child: ChildProcess, onLost: () => void): void {
  const handovers = new Map<number, Handover>()
  const send = child.send as (...args: unknown[]) => boolean
  child.send = (...args: unknown[]) => {
    const [{ act, seq }, connection] = args as [ClusterMessage, Connection]
    if (act === 'newconn' && seq !== undefined) handovers.set(seq, { connection, heartbeats: 0 })
    return send.apply(child, args)
  }
  child.on('internalMessage', ({ ack }: ClusterMessage) => {
    if (ack !== undefined) handovers.delete(ack)
  })
  child.on('message', ({ type }: { type?: string }) => {
    if (type !== 'alive') return
    for (const [seq, handover] of [...handovers]) {
      handover.heartbeats++
      if (handover.heartbeats < HEARTBEATS_UNTIL_LOST) continue
      onLost()
      // On this, the primary closes its copy of the connection and hands over the next one.
      child.emit('internalMessage', { cmd: 'NODE_CLUSTER', ack: seq, accepted: true })
    }
  })
  // All messages of the process have been received by now.
  child.once('close', () => {
    for (const { connection } of handovers.values()) connection.close()
  })
}
