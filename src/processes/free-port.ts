import { once } from 'node:events'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { listenAddresses } from '../lib/loopback-hosts.ts'

/** A port that no other process can take until it is released. */
export interface HeldPort {
  readonly port: number
  /** Frees the port for the next listener. */
  release(): void
}

/** A port that is free on one address may be taken on another. */
const MAX_ATTEMPTS = 10

/** Finds a port that is free on every address of this host, and holds it. */
export async function holdFreePort(host: string, attempts = MAX_ATTEMPTS): Promise<HeldPort> {
  const [address, ...others] = listenAddresses(host)
  const first = await listening(address, 0)
  const servers = [first]
  const release = () => {
    for (const server of servers) server.close()
  }
  const { port } = first.address() as AddressInfo
  try {
    for (const other of others) servers.push(await listening(other, port))
    return { port, release }
  } catch (err) {
    release()
    if (attempts === 1) throw err
    return holdFreePort(host, attempts - 1)
  }
}

async function listening(host: string, port: number): Promise<Server> {
  const server = createServer().listen(port, host)
  await once(server, 'listening')
  return server
}

/** Finds a free port on this host. Another process may take it before the caller listens; `holdFreePort` prevents that. */
export async function freePort(host: string): Promise<number> {
  const { port, release } = await holdFreePort(host)
  release()
  return port
}
