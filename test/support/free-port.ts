import { holdFreePort } from '../../src/processes/free-port.ts'

/**
 * Each worker of jest has ports of its own, and none that the service chooses, so that nobody takes a port between its choice and its
 * use.
 */
const PORTS_PER_WORKER = 2_000
const FIRST = 10_000 + PORTS_PER_WORKER * (Number(process.env['JEST_WORKER_ID'] ?? 1) - 1)
const PORTS = { first: FIRST, last: FIRST + PORTS_PER_WORKER - 1 }

/** Ports that were chosen before. Each stays free until its program listens, so without this, another choice could find it again. */
const chosen = new Set<number>()

/** A port that is free on every address of this host. */
export async function freePort(host = '127.0.0.1'): Promise<number> {
  const { port, release } = await holdFreePort(host, PORTS)
  release()
  if (chosen.has(port)) return freePort(host)
  chosen.add(port)
  return port
}
