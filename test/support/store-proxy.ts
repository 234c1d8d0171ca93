import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

/** A TCP proxy before a store, which loses what it is told to lose. */
export class StoreProxy {
  /** Whether what the store pushes to its subscribers is thrown away. */
  losesAnnouncements = false
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #isOpen = true

  private constructor(server: Server) {
    this.#server = server
  }

  static async start(storeUrl: string): Promise<StoreProxy> {
    const port = Number(new URL(storeUrl).port)
    const server = createServer()
    const proxy = new StoreProxy(server)
    server.on('connection', client => proxy.#join(client, connect(port, '127.0.0.1')))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return proxy
  }

  get url(): string {
    return `redis://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  #join(client: Socket, store: Socket): void {
    if (!this.#isOpen) {
      client.destroy()
      store.destroy()
      return
    }
    let isSubscriber = false
    client.on('data', bytes => {
      isSubscriber ||= /subscribe/i.test(bytes.toString('latin1'))
      store.write(bytes)
    })
    store.on('data', bytes => {
      // The answer to SUBSCRIBE itself is let through.
      if (isSubscriber && this.losesAnnouncements && bytes.includes('message')) return
      client.write(bytes)
    })
    for (const [one, other] of [
      [client, store],
      [store, client],
    ] as const) {
      this.#sockets.add(one)
      one.on('error', () => undefined)
      one.on('close', () => {
        this.#sockets.delete(one)
        other.destroy()
      })
    }
  }

  /** Ends every connection, and refuses others. */
  cut(): void {
    this.#isOpen = false
    for (const socket of this.#sockets) socket.destroy()
  }

  open(): void {
    this.#isOpen = true
  }

  async stop(): Promise<void> {
    this.cut()
    this.#server.close()
    await once(this.#server, 'close')
  }
}
