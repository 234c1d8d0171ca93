import { connect } from 'node:tls'
import type { TlsFiles } from '../../settings/redis-tls.ts'
import type { Endpoint } from '../../settings/redis-url.ts'

const QUIET_MS = 100

/**
 * Performs only a TLS handshake, then waits for the server's verdict. With TLS 1.3 the server verifies the client's certificate
 * after the client considers the handshake done; a client that writes at once may see a reset instead of the reason.
 */
export function probeTls(endpoint: Endpoint, tlsFiles: TlsFiles, timeoutMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ ...endpoint, ...tlsFiles })
    const end = (err?: Error) => {
      socket.destroy()
      if (err === undefined) resolve()
      else reject(err)
    }
    socket.setTimeout(timeoutMs, () =>
      end(new Error('no answer to a TLS handshake: the server hangs or does not speak TLS')),
    )
    socket.once('secureConnect', () => setTimeout(end, QUIET_MS).unref())
    // A server that accepts the client sends a session ticket.
    socket.once('session', () => end())
    socket.on('error', end)
  })
}
