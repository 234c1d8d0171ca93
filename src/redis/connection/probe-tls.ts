import { connect } from 'node:tls'
import type { TlsFiles } from '../../settings/redis-tls.ts'
import type { Endpoint } from '../../settings/redis-url.ts'

const TIMEOUT_MS = 1_000
const QUIET_MS = 100

/**
 * Does nothing but a handshake, and waits for what the server makes of it: with TLS 1.3 it looks at the client's certificate when the
 * client thinks that all is done, and one who writes at once may see a connection that was reset instead of the reason.
 */
export function shakeHands(endpoint: Endpoint, tlsFiles: TlsFiles): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ ...endpoint, ...tlsFiles })
    const end = (err?: Error) => {
      socket.destroy()
      if (err === undefined) resolve()
      else reject(err)
    }
    socket.setTimeout(TIMEOUT_MS, () => end(new Error('no answer to a TLS handshake: it hangs, or speaks no TLS')))
    socket.once('secureConnect', () => setTimeout(end, QUIET_MS).unref())
    // A server that has made up its mind sends a ticket for the next session.
    socket.once('session', () => end())
    socket.on('error', end)
  })
}
