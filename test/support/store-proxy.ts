import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

/** A TCP proxy in front of a store. It delays, holds or loses data as the test requests. */
export class StoreProxy {
  /** Whether messages to subscribers are discarded. */
  losesAnnouncements = false
  /** Whether scripts may begin with `#!`. Without, the store refuses them as Redis 6.2 does. */
  knowsScriptFlags = true
  /** Delay of requests and replies, in ms. */
  latencyMs = 0
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #isOpen = true
  /** The text that makes a connection's requests wait, and a callback for the first one. */
  #trap: { readonly text: string; sprung(): void } | undefined
  /** The connections whose requests wait, each with the data that it has sent since. */
  readonly #held = new Map<Socket, Buffer[]>()

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

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`
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
      this.#forward(this.knowsScriptFlags ? bytes : withoutShebang(bytes), store)
    })
    store.on('data', bytes => {
      // The answer to SUBSCRIBE itself is passed on.
      if (isSubscriber && this.losesAnnouncements && bytes.includes('message')) return
      this.#later(() => client.write(bytes))
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

  #forward(bytes: Buffer, store: Socket): void {
    if (this.#trap !== undefined && bytes.includes(this.#trap.text)) {
      if (!this.#held.has(store)) this.#held.set(store, [])
      this.#trap.sprung()
    }
    const waiting = this.#held.get(store)
    if (waiting !== undefined) waiting.push(bytes)
    else this.#later(() => store.write(bytes))
  }

  /** Timers of one length fire in the order in which they were set. */
  #later(send: () => void): void {
    if (this.latencyMs === 0) send()
    else setTimeout(send, this.latencyMs)
  }

  /**
   * Holds the next request that contains this text, and all later ones of its connection, until `release`, as if the caller were
   * stopped while the request is in flight. Resolves once a request is held.
   */
  hold(text: string): Promise<void> {
    return new Promise(resolve => {
      this.#trap = { text, sprung: resolve }
    })
  }

  release(): void {
    this.#trap = undefined
    for (const [store, requests] of this.#held) for (const bytes of requests) store.write(bytes)
    this.#held.clear()
  }

  /** Closes every connection, and refuses new ones. */
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

/** As long as before. For Redis it is then Lua that cannot be compiled. */
function withoutShebang(bytes: Buffer): Buffer {
  return bytes.includes('#!lua') ? Buffer.from(bytes.toString('latin1').replaceAll('#!lua', '#?lua'), 'latin1') : bytes
}
