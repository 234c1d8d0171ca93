import { Server } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

const POLL_MS = 50

/** Stops accepting connections. An HTTP server's own `close` would also cut idle ones, on which a request may be arriving. */
export function stopAccepting(server: Server): void {
  Server.prototype.close.call(server)
}

/**
 * Resolves when no client is connected.
 * @param untilMs when it resolves at the latest, by `performance.now()`. That can change meanwhile
 */
export async function drained(servers: readonly Server[], untilMs: () => number): Promise<void> {
  const counts = servers.map(server => promisify(server.getConnections.bind(server)))
  const connections = async () => (await Promise.all(counts.map(count => count()))).reduce((sum, count) => sum + count)
  while (performance.now() < untilMs() && (await connections()) > 0) await sleep(POLL_MS)
}
