import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { descendantsOf, isAlive, kill } from './processes.ts'

/** The root of the repository. The benchmark runs the compiled form of this file, which is one folder deeper. */
const ROOT = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? '../..' : '../../..', import.meta.url))

/** A working directory without a developer's `.env`. */
const WITHOUT_DOTENV = fileURLToPath(new URL('.', import.meta.url))

/** So long that neither the store nor a process looks slow when other suites keep the machine busy. */
export const PATIENCE = { REDIS_TIMEOUT_MS: '5000', EVENT_LOOP_LAG_MS: '10000' }

/** The programs of `npm start`, `npm run start:api` and `npm run start:worker`. */
const ENTRIES = {
  all: 'dist/src/main.js',
  api: 'dist/src/cluster.js',
  worker: 'dist/workers/config.worker.js',
} as const

interface ServiceOptions {
  readonly kind?: keyof typeof ENTRIES
  readonly env?: Readonly<Record<string, string>>
  /** Whether it waits longer for slow stores and processes than by default. Default: true, except in the long tests, which have the machine for themselves. */
  readonly isPatient?: boolean
  /** The root of the build; by default that of this repository. */
  readonly root?: string
  /** The working directory; by default one without `.env`. */
  readonly cwd?: string
  /** The limit of file descriptors of each process; by default that of this process. */
  readonly openFiles?: number
}

/** The built service in its own processes, as a user runs it. */
export class Service {
  readonly process: ChildProcess
  /** The lines of its output. */
  readonly output: string[] = []
  readonly dataDir: string
  #url: string | undefined
  readonly #keepData: boolean

  private constructor(child: ChildProcess, dataDir: string, keepData: boolean) {
    this.process = child
    this.dataDir = dataDir
    this.#keepData = keepData
  }

  /** Resolves once it logs that it listens, or as a worker that it takes commands. Rejects if it ends before. */
  static async start({ kind = 'all', ...options }: ServiceOptions = {}): Promise<Service> {
    const service = await Service.spawn({ kind, ...options })
    if (kind === 'worker') await service.says(/ready to take commands/)
    else service.#url = (await service.says(/"(?:supervisor|primary)".*listening on (http:\/\/[^ "]+)/))[1]
    return service
  }

  /** Starts it without waiting for anything. */
  static async spawn(options: ServiceOptions = {}): Promise<Service> {
    const { kind = 'all', env = {}, root = ROOT, cwd = WITHOUT_DOTENV, openFiles } = options
    const { isPatient = process.env['TEST_LONG'] === undefined } = options
    const dataDir = env['DATA_DIR'] ?? (await mkdtemp(join(tmpdir(), 'throttler-data-')))
    const command = ['node', join(root, ENTRIES[kind])]
    const limited = openFiles === undefined ? command : ['prlimit', `--nofile=${openFiles}:${openFiles}`, ...command]
    const [program = 'node', ...args] = limited
    const child = spawn(program, args, {
      cwd,
      env: {
        PATH: process.env['PATH'],
        PORT: '0',
        WORKER_METRICS_PORT: '0',
        // Each process takes a second of the machine to start. Suites of front processes alone look at how they work together.
        WEB_CONCURRENCY: kind === 'api' ? '2' : '1',
        DATA_DIR: dataDir,
        ...(isPatient && PATIENCE),
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const service = new Service(child, dataDir, env['DATA_DIR'] !== undefined)
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', line => {
        service.output.push(line)
        child.emit('line', line)
      })
    }
    return service
  }

  /** The URL at which it listens. */
  get url(): string {
    if (this.#url === undefined) throw new Error('the service does not listen')
    return this.#url
  }

  /** The port at which it answers RESP, with the variable `RESP_PORT`. */
  get respPort(): number {
    const ports = this.output.map(line => /RESP: redis:\/\/[^"]*:(\d+)/.exec(line)?.[1])
    return Number(ports.find(port => port !== undefined))
  }

  /** The port at which it answers gRPC, with the variable `GRPC_PORT`. */
  get grpcPort(): number {
    const ports = this.output.map(line => /gRPC: [^"]*:(\d+)/.exec(line)?.[1])
    return Number(ports.find(port => port !== undefined))
  }

  /** Resolves with the match of the first later line that matches. Rejects if the service ends before. */
  says(pattern: RegExp): Promise<RegExpExecArray> {
    return new Promise((resolve, reject) => {
      const listener = (line: string) => {
        const match = pattern.exec(line)
        if (match === null) return
        this.process.off('line', listener)
        resolve(match)
      }
      this.process.on('line', listener)
      this.process.once('exit', code => reject(new Error(`ended with code ${code}:\n${this.output.join('\n')}`)))
    })
  }

  /** The ids of the service's processes with a title such as `throttler front` or `throttler worker`. */
  pidsOf(title: string): number[] {
    return descendantsOf(this.process.pid ?? 0)
      .filter(({ command }) => command.startsWith(title))
      .map(({ pid }) => pid)
  }

  get pids(): number[] {
    return [this.process.pid ?? 0, ...descendantsOf(this.process.pid ?? 0).map(({ pid }) => pid)]
  }

  /** Stops it in an orderly way. Resolves with the exit code. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    const code = await this.#end(signal)
    if (!this.#keepData) await rm(this.dataDir, { recursive: true, force: true })
    return code
  }

  async #end(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.process
    if (child.exitCode !== null || child.signalCode !== null) return child.exitCode
    const pids = this.pids
    const exited = once(child, 'exit')
    child.kill(signal)
    const [code] = (await exited) as [number | null]
    for (const pid of pids.filter(isAlive)) kill(pid)
    return code
  }
}
