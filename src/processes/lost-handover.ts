import type { ChildProcess } from 'node:child_process'

/** What node:cluster's primary tells a process: it hands a connection over, and awaits the `ack` that bears this `seq`. */
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
  /** Heartbeats of the process since the connection was sent. */
  beats: number
}

/**
 * Heartbeats of a process that has not acknowledged a connection before the connection counts as lost. Messages arrive in order,
 * so a process that received the connection acknowledges it before the second heartbeat. One that hangs sends none.
 */
const BEATS_UNTIL_LOST = 3

/**
 * Closes the connections, one for each address that is listened on, that were being handed to a process and did not arrive. The
 * primary waits for the process to acknowledge each, and gives it no other until then; nobody would ever serve or close them, and
 * callers would wait for ever.
 *
 * A connection does not arrive if the process dies, or if it has no file descriptor left: the kernel then drops the connection
 * and delivers the rest of the message, which Node discards. A process that lives is made available again, by an acknowledgement
 * in its name; should its own still come, node:cluster ignores it.
 * @see https://github.com/nodejs/node/blob/v20.x/lib/internal/cluster/round_robin_handle.js
 */
export function closeLostHandover(child: ChildProcess, lost: () => void): void {
  const handovers = new Map<number, Handover>()
  const send = child.send as (...args: unknown[]) => boolean
  child.send = (...args: unknown[]) => {
    const [{ act, seq }, connection] = args as [ClusterMessage, Connection]
    if (act === 'newconn' && seq !== undefined) handovers.set(seq, { connection, beats: 0 })
    return send.apply(child, args)
  }
  child.on('internalMessage', ({ ack }: ClusterMessage) => {
    if (ack !== undefined) handovers.delete(ack)
  })
  child.on('message', ({ type }: { type?: string }) => {
    if (type !== 'alive') return
    for (const [seq, handover] of [...handovers]) {
      handover.beats++
      if (handover.beats < BEATS_UNTIL_LOST) continue
      lost()
      // The primary closes a connection that it takes for accepted, and hands over the next.
      child.emit('internalMessage', { cmd: 'NODE_CLUSTER', ack: seq, accepted: true })
    }
  })
  // By then everything that the process said has been heard.
  child.once('close', () => {
    for (const { connection } of handovers.values()) connection.close()
  })
}
