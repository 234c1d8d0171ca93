import type { Server } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

const POLL_MS = 50

/** Resolves once no client is connected any more, at the latest after `limitMs`. */
export async function drained(server: Server, limitMs: number): Promise<void> {
  const connections = promisify(server.getConnections.bind(server))
  const deadline = performance.now() + limitMs
  while (performance.now() < deadline && (await connections()) > 0) await sleep(POLL_MS)
}
