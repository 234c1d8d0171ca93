import type { Server } from 'node:http'
import { Server as NetServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

const POLL_MS = 50

/** Stops accepting connections. An HTTP server's own `close` would also cut idle ones, on which a request may be arriving. */
export function stopAccepting(server: Server): void {
  NetServer.prototype.close.call(server)
}

/** Resolves when no client is connected, at the latest after `limitMs`. */
export async function drained(server: Server, limitMs: number): Promise<void> {
  const connections = promisify(server.getConnections.bind(server))
  const deadline = performance.now() + limitMs
  while (performance.now() < deadline && (await connections()) > 0) await sleep(POLL_MS)
}
