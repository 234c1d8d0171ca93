import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { descendantsOf, isAlive } from './processes.ts'

/** The benchmark runs the compiled form of this file, which is one folder deeper. */
const ROOT = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? '../..' : '../../..', import.meta.url))

/** A working directory without the `.env` that a developer may have in the root. */
const WITHOUT_DOTENV = fileURLToPath(new URL('.', import.meta.url))

/** What `npm start`, `npm run start:api` and `npm run start:worker` run. */
const ENTRIES = {
  all: 'dist/src/main.js',
  api: 'dist/src/cluster.js',
  worker: 'dist/workers/config.worker.js',
} as const

interface ServiceOptions {
  readonly kind?: keyof typeof ENTRIES
  readonly env?: Readonly<Record<string, string>>
  /** Where it was built; unset: here. */
  readonly root?: string
  /** Its working directory; unset: one without `.env`. */
  readonly cwd?: string
  /** How many file descriptors each of its processes may have; unset: as many as this one. */
  readonly openFiles?: number
}

/** The built service in processes of its own, as its user runs it. */
export class Service {
  readonly process: ChildProcess
  /** Everything that it wrote, a line each. */
  readonly output: string[] = []
  readonly dataDir: string
  #url: string | undefined
  readonly #keepData: boolean

  private constructor(child: ChildProcess, dataDir: string, keepData: boolean) {
    this.process = child
    this.dataDir = dataDir
    this.#keepData = keepData
  }

  /** Resolves once it says that it listens (a worker: that it takes commands). Rejects if it ends before. */
  static async start({ kind = 'all', ...options }: ServiceOptions = {}): Promise<Service> {
    const service = await Service.spawn({ kind, ...options })
    if (kind === 'worker') await service.says(/ready to take commands/)
    else service.#url = (await service.says(/"(?:supervisor|primary)".*listening on (http:\/\/[^ "]+)/))[1]
    return service
  }

  /** Starts it without waiting for anything. */
  static async spawn(options: ServiceOptions = {}): Promise<Service> {
    const { kind = 'all', env = {}, root = ROOT, cwd = WITHOUT_DOTENV, openFiles } = options
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
        WEB_CONCURRENCY: '2',
        DATA_DIR: dataDir,
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

  /** Where it listens. */
  get url(): string {
    if (this.#url === undefined) throw new Error('the service does not listen')
    return this.#url
  }

  /** Resolves with what a line from now on matches. Rejects if the service ends before. */
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

  /** The service's processes by what they are: `throttler front`, `throttler worker` … */
  pidsOf(title: string): number[] {
    return descendantsOf(this.process.pid ?? 0)
      .filter(({ command }) => command.startsWith(title))
      .map(({ pid }) => pid)
  }

  get pids(): number[] {
    return [this.process.pid ?? 0, ...descendantsOf(this.process.pid ?? 0).map(({ pid }) => pid)]
  }

  /** Ends it in an orderly way. Resolves with the exit code. */
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
    for (const pid of pids.filter(isAlive)) process.kill(pid, 'SIGKILL')
    return code
  }
}
