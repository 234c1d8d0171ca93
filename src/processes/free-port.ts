import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server } from 'node:net'
import { listenAddresses } from '../lib/loopback-hosts.ts'

/** A port that no other process can take until it is released. */
export interface HeldPort {
  readonly port: number
  /** Frees the port for the next listener. */
  release(): void
}

/**
 * The kernel gives ports above this range to outgoing connections. Such a connection could take the port while nothing listens on it.
 * @see https://docs.kernel.org/networking/ip-sysctl.html (`ip_local_port_range`)
 */
const PORTS = { first: 20_000, last: 32_767 }

/** A port may be taken, on one address or on all. */
const MAX_ATTEMPTS = 20

/** Finds a port that is free on every address of this host, and holds it. */
export async function holdFreePort(host: string, ports = PORTS, attempts = MAX_ATTEMPTS): Promise<HeldPort> {
  const port = randomInt(ports.first, ports.last + 1)
  const servers: Server[] = []
  const release = () => {
    for (const server of servers) server.close()
  }
  try {
    for (const address of listenAddresses(host)) servers.push(await listening(address, port))
    return { port, release }
  } catch (err) {
    release()
    if (attempts === 1) throw err
    return holdFreePort(host, ports, attempts - 1)
  }
}

async function listening(host: string, port: number): Promise<Server> {
  // It refuses those who connect too early.
  const server = createServer(socket => socket.destroy()).listen(port, host)
  await once(server, 'listening')
  return server
}
