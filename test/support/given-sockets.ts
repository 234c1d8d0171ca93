import { connect, type Socket, type TcpNetConnectOpts } from 'node:net'
import { afterEach } from '@jest/globals'

export interface GivenSockets {
  /** Connects. What the server sends is discarded, unless the test listens to it. */
  open(options: TcpNetConnectOpts): Socket
  /** Those of the present test. */
  readonly all: readonly Socket[]
  closeAll(): void
}

/** Connections of each test's own, which end with it. */
export function givenSockets(): GivenSockets {
  let sockets: Socket[] = []
  const closeAll = () => {
    for (const socket of sockets) socket.destroy()
  }
  afterEach(() => {
    closeAll()
    sockets = []
  })
  return {
    open: options => {
      const socket = connect(options)
      socket.on('error', () => undefined).resume()
      sockets.push(socket)
      return socket
    },
    get all() {
      return sockets
    },
    closeAll,
  }
}
