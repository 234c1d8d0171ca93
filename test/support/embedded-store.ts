import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { Redis, type RedisOptions } from 'ioredis'
import { askLock } from '../../src/embedded/directory-lock.ts'
import { SUPERVISED } from '../../src/processes/parent-link.ts'
import { createPrivateSocket, removePrivateSocket } from '../../src/processes/private-socket.ts'
import { parseRedisUrl, socketUrl } from '../../src/settings/redis-url.ts'

const PASSWORD = 'a-password-of-the-test'

const ENTRY = fileURLToPath(new URL('../../dist/src/embedded/store.js', import.meta.url))

type ConnectOptions = Omit<RedisOptions, 'replyMapping'>

interface EmbeddedStoreOptions {
  readonly dataDir: string
  readonly env?: Readonly<Record<string, string>>
}

/** The embedded store in a process of its own, without the rest of the service. */
export class EmbeddedStore {
  readonly process: ChildProcess
  readonly #url: string
  /** The lines that it logged. */
  readonly said: { msg: string; level: number; [field: string]: unknown }[] = []

  private constructor(url: string, child: ChildProcess) {
    this.#url = url
    this.process = child
    createInterface({ input: child.stdio[4] as Readable }).on('line', line => this.said.push(JSON.parse(line)))
  }

  /** Resolves once it is ready. Rejects with its report if it cannot start. */
  static async start(options: EmbeddedStoreOptions): Promise<EmbeddedStore> {
    const store = EmbeddedStore.spawn(options)
    await new Promise((resolve, reject) => {
      let reason: string | undefined
      store.process.on('message', (message: { type: string; reason?: string }) => {
        if (message.type === 'ready') resolve(undefined)
        if (message.type === 'cannot-start') reason = message.reason
      })
      // Until the process has ended, the directory is in use.
      store.process.once('exit', code => reject(new Error(reason ?? `ended with code ${code}`)))
    })
    return store
  }

  /** Starts it without waiting for anything. */
  static spawn({ dataDir, env = {} }: EmbeddedStoreOptions): EmbeddedStore {
    const path = createPrivateSocket(dataDir)
    const url = socketUrl(path, PASSWORD)
    const child = fork(ENTRY, [SUPERVISED], {
      env: { PATH: process.env['PATH'], DATA_DIR: dataDir, REDIS_URL: url, ...env },
      execArgv: ['--disable-warning=ExperimentalWarning'],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc', 'pipe'],
    })
    child.once('exit', () => removePrivateSocket(path))
    return new EmbeddedStore(url, child)
  }

  connect(options?: ConnectOptions): Redis {
    return connectTo(this.#url, options)
  }

  messages(): string[] {
    return this.said.map(({ msg }) => msg)
  }

  /** Stops it as its parent does. Resolves with the exit code. */
  async stop(): Promise<number | null> {
    if (this.process.connected) this.process.send({ type: 'stop', drainMs: 0, replaced: false })
    return this.#exit()
  }

  async kill(): Promise<void> {
    this.process.kill('SIGKILL')
    await this.#exit()
  }

  async #exit(): Promise<number | null> {
    const { exitCode, signalCode } = this.process
    if (exitCode === null && signalCode === null) await once(this.process, 'exit')
    return this.process.exitCode
  }
}

/** Connects to the embedded store of the service that runs on a directory, as the command line does. */
export async function connectToStoreOf(dataDir: string): Promise<Redis> {
  return connectTo(await urlOfStore(dataDir))
}

export async function urlOfStore(dataDir: string): Promise<string> {
  return (await askLock(dataDir)) ?? ''
}

function connectTo(url: string, options?: ConnectOptions): Redis {
  const { endpoints, password = '' } = parseRedisUrl(url)
  return new Redis({ ...options, ...endpoints[0], password })
}
