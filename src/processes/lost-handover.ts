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
 * Closes the connection that was being handed to a process just when that died. The primary waits for the process to say that it
 * has the connection; nobody would ever serve or close it, and its caller would wait for ever.
 * @see https://github.com/nodejs/node/blob/v20.x/lib/internal/cluster/round_robin_handle.js
 */
export function closeLostHandover(child: ChildProcess): void {
  let handover: { readonly seq: number | undefined; readonly connection: Connection } | undefined
  const send = child.send as (...args: unknown[]) => boolean
  child.send = (...args: unknown[]) => {
    const [{ act, seq }, connection] = args as [ClusterMessage, Connection]
    if (act === 'newconn') handover = { seq, connection }
    return send.apply(child, args)
  }
  child.on('internalMessage', ({ ack }: ClusterMessage) => {
    if (ack !== undefined && ack === handover?.seq) handover = undefined
  })
  // By then everything that the process said has been heard.
  child.once('close', () => handover?.connection.close())
}
