import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** The replies of a store by the command, in lower case; other commands get OK. */
export type Replies = Readonly<Record<string, string>>

const INFO = 'redis_version:7.2.0\r\nloading:0\r\n'
const WELL_FORMED: Replies = { info: `$${INFO.length}\r\n${INFO}\r\n` }

/** A store that sends the replies that a test specifies, whatever the protocol asks for. */
export class ScriptedStore {
  replies: Replies = {}
  /** Sent before the next reply to a client's GET, once. */
  corruptNext = ''
  /** Delay of each reply, in ms. */
  latencyMs = 0
  /** How many connections were opened. */
  connections = 0
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  private constructor(server: Server) {
    this.#server = server
    server.on('connection', socket => {
      this.connections++
      this.#sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => this.#sockets.delete(socket))
      socket.on('data', data => void this.#answer(socket, data.toString('latin1')))
    })
  }

  static async start(): Promise<ScriptedStore> {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new ScriptedStore(server)
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** From now on, it is the only node of a cluster. */
  ownAllSlots(): void {
    const [host, port] = this.host.split(':') as [string, string]
    this.replies = {
      ...this.replies,
      cluster: `*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$${host.length}\r\n${host}\r\n:${port}\r\n`,
    }
  }

  /** Sends something that no command has asked for. */
  push(bytes: string): void {
    for (const socket of this.#sockets) socket.write(bytes)
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }

  /** @param data one or several complete commands */
  async #answer(socket: Socket, data: string): Promise<void> {
    const commands = data.split(/(?=\*\d+\r\n)/)
    const replies = commands.map(command => this.#replyTo(command.split('\r\n'))).join('')
    if (this.latencyMs > 0) await sleep(this.latencyMs)
    socket.write(replies)
  }

  /** @param lines "*2", "$4", "PING", "$1", "1" */
  #replyTo([, , command = '', , argument = '']: readonly string[]): string {
    const name = command.toLowerCase()
    const reply = this.replies[name] ?? WELL_FORMED[name] ?? (name === 'ping' ? `+${argument}\r\n` : '+OK\r\n')
    if (name !== 'get') return reply
    const begin = this.corruptNext
    this.corruptNext = ''
    return begin + reply
  }
}
