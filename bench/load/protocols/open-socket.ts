import { connect, type OnReadOpts, type Socket } from 'node:net'

/** Opens a connection that must not fail while it is in use. */
export function openSocket(port: number, onread?: OnReadOpts): Socket {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true, ...(onread && { onread }) })
  socket.on('error', err => {
    throw err
  })
  socket.on('end', () => {
    throw new Error('the measured process closed a connection')
  })
  return socket
}
