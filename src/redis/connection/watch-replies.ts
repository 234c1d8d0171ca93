import { Cluster, type Redis } from 'ioredis'
import type { RedisClient } from './connection.ts'
import { ConnectionLost } from './transient.ts'

/** Numbers the pings of this process. */
let pings = 0

/**
 * Called when a command has been sent; the result is called some time later if it was not answered in time. It then closes the connection
 * if that is broken, so that the client connects again. ioredis does so itself only while no bytes arrive, but a reply that announces a
 * wrong length takes those of later replies. The connection to a store that is merely slow is kept.
 * @param address of the node, on a cluster
 */
export function watchReplies(client: RedisClient, address?: string): () => void {
  const connection = client instanceof Cluster ? nodeAt(client, address) : client
  const oldest = connection?.commandQueue.peekFront()
  return () => {
    if (connection === undefined || oldest === undefined) return
    if (connection.commandQueue.peekFront() === oldest)
      close(connection, 'the server has not completed a reply in time')
    else void closeIfMixedUp(connection)
  }
}

function nodeAt(cluster: Cluster, address: string | undefined): Redis | undefined {
  return cluster.nodes().find(({ options }) => `${options.host}:${options.port}` === address)
}

/** A list that took later replies for its items leaves each command with the reply to another one. */
async function closeIfMixedUp(connection: Redis): Promise<void> {
  const { stream } = connection
  const sent = `${++pings}`
  const received = await connection.ping(sent).catch(() => sent)
  if (received !== sent && connection.stream === stream)
    close(connection, 'the server sent the reply to another command')
}

function close({ stream }: Redis, reason: string): void {
  stream.destroy(new ConnectionLost(reason))
}
