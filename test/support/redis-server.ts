import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { freePort } from './free-port.ts'
import { isOnPath } from './on-path.ts'

/** In memory if possible: a cluster node syncs its file at each change, so a slow disk would make the node look slow. */
const DIRECTORIES = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()

/** A port may be taken. */
const MAX_ATTEMPTS = 5

export const hasRedisServer = isOnPath('redis-server')

interface RedisServerOptions {
  /** Default: `redis-server`. */
  readonly program?: string | undefined
  /** Additional variables of its environment. */
  readonly env?: Readonly<Record<string, string>>
}

/** A `redis-server` of the test's own on a free port of loopback. It ends with the test. */
export class RedisServer {
  readonly port: number
  /** The directory of its files. */
  readonly directory: string
  readonly #args: readonly string[]
  readonly #options: RedisServerOptions
  #process: ChildProcess | undefined

  private constructor(port: number, directory: string, args: readonly string[], options: RedisServerOptions) {
    this.port = port
    this.directory = directory
    this.#args = args
    this.#options = options
  }

  /** @param args further arguments, such as `--appendonly`, `yes`; `{port}` in an argument stands for its port. Paths start in its directory. */
  static start(...args: readonly string[]): Promise<RedisServer> {
    return RedisServer.startWith({}, ...args)
  }

  static async startWith(options: RedisServerOptions, ...args: readonly string[]): Promise<RedisServer> {
    const directory = await mkdtemp(join(DIRECTORIES, 'throttler-redis-'))
    for (let attempts = MAX_ATTEMPTS; ; attempts--) {
      const server = new RedisServer(await freePort(), directory, args, options)
      try {
        await server.restart()
        return server
      } catch (err) {
        // Another process was faster, or has the port of the cluster bus, which is 10,000 higher by default.
        if (attempts === 1 || !String(err).includes('Address already in use')) throw err
      }
    }
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`
  }

  get pid(): number {
    return this.#process?.pid ?? 0
  }

  /** Starts it again on the same port and directory. */
  async restart(): Promise<void> {
    const args = [
      '--port',
      String(this.port),
      '--bind',
      '127.0.0.1',
      '--dir',
      this.directory,
      '--save',
      '',
      ...this.#args.map(arg => arg.replace('{port}', String(this.port))),
    ]
    const { program = 'redis-server', env } = this.#options
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, ...env } })
    this.#process = child
    const output: string[] = []
    for await (const line of createInterface({ input: child.stdout })) {
      output.push(line)
      if (/ready to accept connections/i.test(line)) break
    }
    if (child.stdout.readableEnded) throw new Error(`${program} ended:\n${output.join('\n')}`)
    child.stdout.resume()
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#process
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill(signal)
    await exited
  }

  /** Copies its current files. */
  async keepCopy(): Promise<void> {
    await cp(this.directory, this.#copy, { recursive: true })
  }

  /** Replaces its files by the copy. The server must not be running. */
  async restoreCopy(): Promise<void> {
    await rm(this.directory, { recursive: true })
    await cp(this.#copy, this.directory, { recursive: true })
  }

  get #copy(): string {
    return `${this.directory}-copy`
  }

  /** Sends a signal that does not end the server, such as SIGSTOP. */
  signal(signal: NodeJS.Signals): void {
    this.#process?.kill(signal)
  }

  async stop(): Promise<void> {
    await this.kill()
    for (const directory of [this.directory, this.#copy]) await rm(directory, { recursive: true, force: true })
  }
}
