import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'

/** A port that no other process can take until it is released. */
export interface HeldPort {
  readonly port: number
  /** Frees the port for the next listener. */
  release(): void
}

/** Finds a free port on this host and holds it. */
export async function holdFreePort(host: string): Promise<HeldPort> {
  const server = createServer().listen(0, host)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return { port, release: () => void server.close() }
}

/** Finds a free port on this host. Another process may take it before the caller listens; `holdFreePort` prevents that. */
export async function freePort(host: string): Promise<number> {
  const { port, release } = await holdFreePort(host)
  release()
  return port
}
