import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { holdFreePort } from '../../src/processes/free-port.ts'
import type { FromChild } from '../../src/processes/messages.ts'
import { PORT_IS_HELD, SUPERVISED } from '../../src/processes/parent-link.ts'

const PASSWORD = 'a-password-of-the-test'

const ENTRY = fileURLToPath(new URL('../../dist/src/embedded/store.js', import.meta.url))

interface EmbeddedStoreOptions {
  readonly dataDir: string
  readonly env?: Readonly<Record<string, string>>
}

/** The embedded store in a process of its own, without the rest of the service. */
export class EmbeddedStore {
  readonly port: number
  readonly process: ChildProcess
  /** The lines that it logged. */
  readonly said: { msg: string; level: number; [field: string]: unknown }[] = []

  private constructor(port: number, child: ChildProcess) {
    this.port = port
    this.process = child
    createInterface({ input: child.stdio[4] as Readable }).on('line', line => this.said.push(JSON.parse(line)))
  }

  /** Resolves once it is ready. Rejects with its report if it cannot start. */
  static async start(options: EmbeddedStoreOptions): Promise<EmbeddedStore> {
    const store = await EmbeddedStore.spawn(options)
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
  static async spawn({ dataDir, env = {} }: EmbeddedStoreOptions): Promise<EmbeddedStore> {
    const held = await holdFreePort('127.0.0.1')
    const child = fork(ENTRY, [SUPERVISED, PORT_IS_HELD], {
      env: { PATH: process.env['PATH'], DATA_DIR: dataDir, REDIS_URL: urlAt(held.port), ...env },
      execArgv: ['--disable-warning=ExperimentalWarning'],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc', 'pipe'],
    })
    child.on('message', ({ type }: FromChild) => {
      if (type !== 'about-to-listen') return
      held.release()
      child.send({ type: 'listen' })
    })
    child.once('exit', held.release)
    return new EmbeddedStore(held.port, child)
  }

  get url(): string {
    return urlAt(this.port)
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

function urlAt(port: number): string {
  return `redis://:${PASSWORD}@127.0.0.1:${port}`
}
