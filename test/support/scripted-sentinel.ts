import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'

interface Named {
  readonly host: string
  readonly port: number
  readonly epoch: number
}

/** A Sentinel that names the master that a test specifies. */
export class ScriptedSentinel {
  named: Named
  /** The master that it names with its epoch, if that is another one than it names to a client that asks for the address alone. */
  withEpoch: Pick<Named, 'host' | 'port'> | undefined
  /** How often it has named the master with its epoch. */
  answers = 0
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #silent = new WeakSet<Socket>()
  #refuses = false

  private constructor(named: Named, server: Server) {
    this.named = named
    this.#server = server
    server.on('connection', socket => {
      if (this.#refuses) return void socket.destroy()
      this.#sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('data', data => {
        if (!this.#silent.has(socket)) socket.write(this.#answer(data.toString()))
      })
    })
  }

  static async start(named: Named): Promise<ScriptedSentinel> {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new ScriptedSentinel(named, server)
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Answers no more on the connections that it has, as if the network lost what is sent. */
  fallSilent(): void {
    for (const socket of this.#sockets) this.#silent.add(socket)
  }

  /** Closes its connections, and those that clients open. */
  refuse(): void {
    this.#refuses = true
    for (const socket of this.#sockets) socket.destroy()
  }

  async stop(): Promise<void> {
    this.refuse()
    this.#server.close()
    await once(this.#server, 'close')
  }

  /** @param data one or several complete commands */
  #answer(data: string): string {
    const commands = data.toLowerCase().split(/(?=\*\d+\r\n)/)
    return commands.map(command => this.#answerTo(command)).join('')
  }

  #answerTo(command: string): string {
    const { epoch, ...named } = this.named
    if (command.includes('get-master-addr-by-name')) return list([named.host, `${named.port}`])
    if (command.includes('\r\nmaster\r\n')) {
      this.answers++
      const { host, port } = this.withEpoch ?? named
      return list(['ip', host, 'port', `${port}`, 'config-epoch', `${epoch}`])
    }
    return command.includes('\r\nsentinels\r\n') ? '*0\r\n' : '+OK\r\n'
  }
}

function list(items: readonly string[]): string {
  return `*${items.length}\r\n${items.map(item => `$${item.length}\r\n${item}\r\n`).join('')}`
}
