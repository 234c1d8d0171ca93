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

/**
 * Closes the connections, one for each address that is listened on, that were being handed to a process just when that died. The
 * primary waits for the process to say that it has them; nobody would ever serve or close them, and callers would wait for ever.
 * @see https://github.com/nodejs/node/blob/v20.x/lib/internal/cluster/round_robin_handle.js
 */
export function closeLostHandover(child: ChildProcess): void {
  const handovers = new Map<number, Connection>()
  const send = child.send as (...args: unknown[]) => boolean
  child.send = (...args: unknown[]) => {
    const [{ act, seq }, connection] = args as [ClusterMessage, Connection]
    if (act === 'newconn' && seq !== undefined) handovers.set(seq, connection)
    return send.apply(child, args)
  }
  child.on('internalMessage', ({ ack }: ClusterMessage) => {
    if (ack !== undefined) handovers.delete(ack)
  })
  // By then everything that the process said has been heard.
  child.once('close', () => {
    for (const connection of handovers.values()) connection.close()
  })
}
