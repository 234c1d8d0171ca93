import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A server that answers as the test specifies. */
export class HttpServer {
  readonly #server: Server

  private constructor(server: Server) {
    this.#server = server
  }

  static async start(listener: RequestListener): Promise<HttpServer> {
    const server = createServer(listener).listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new HttpServer(server)
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }
}
