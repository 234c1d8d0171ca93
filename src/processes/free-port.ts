import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'

/** A port that nobody else gets until it is released. */
export interface HeldPort {
  readonly port: number
  /** Lets whoever listens next have it. */
  release(): void
}

/** Holds a port of this host that nobody listens on. */
export async function holdFreePort(host: string): Promise<HeldPort> {
  const server = createServer().listen(0, host)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return { port, release: () => void server.close() }
}

/** A port of this host that nobody listens on, for a process that cannot be waited for: another may be faster. */
export async function freePort(host: string): Promise<number> {
  const { port, release } = await holdFreePort(host)
  release()
  return port
}
