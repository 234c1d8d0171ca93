import { once } from 'node:events'
import type { Server as HttpServer } from 'node:http'
import { createServer, type Server } from 'node:net'

/**
 * Connections that the kernel accepts before the process does: as many as Linux allows. When there are more, the kernel ignores clients for a
 * second or longer.
 * @see https://docs.kernel.org/networking/ip-sysctl.html, `somaxconn`
 */
export const BACKLOG = 4_096

/** The options that Node uses for the sockets of an HTTP server. */
const HTTP_SOCKETS = { allowHalfOpen: true, noDelay: true }

/** A listener for another address. It passes its connections to the HTTP server, which can listen on one address only. */
export function forwardingListener(server: HttpServer): Server {
  return createServer(HTTP_SOCKETS, socket => void server.emit('connection', socket))
}

/** Resolves once the server listens. */
export async function listenOn(server: Server, host: string, port: number): Promise<void> {
  server.listen({ host, port, backlog: BACKLOG })
  await once(server, 'listening')
}

/** Accepts no more connections. Resolves once every connection is closed. */
export function closeListener(server: Server): Promise<void> {
  return new Promise(resolve => server.close(() => resolve()))
}
