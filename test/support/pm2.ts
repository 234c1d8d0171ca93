import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe } from '@jest/globals'
import { linkCheckout } from './checkout.ts'
import { isOnPath } from './on-path.ts'
import { PATIENCE } from './service.ts'

/** A suite that needs the real pm2. It is skipped, with a message, if there is none. */
export const describeWithPm2 = isOnPath('pm2') ? describe : describe.skip

/** The state of one app, as reported by pm2. */
export interface Pm2App {
  readonly name: string
  readonly pid: number
  readonly pm2_env: {
    readonly status: string
    readonly restart_time: number
    /** The last pause before a restart, in ms. */
    readonly prev_restart_delay?: number
    readonly exit_code?: number
  }
}

/** A pm2 daemon of the test's own. */
export class Pm2 {
  /** The directory that contains `ecosystem.config.cjs`, and the `.env` of the apps. */
  readonly directory: string
  readonly #home: string
  readonly #env: Readonly<Record<string, string>>

  private constructor(directory: string, home: string, env: Readonly<Record<string, string>>) {
    this.directory = directory
    this.#home = home
    this.#env = env
  }

  /** @param env the environment of the apps, which are patient by default */
  static async create(env: Readonly<Record<string, string>>): Promise<Pm2> {
    return new Pm2(await linkCheckout(), await mkdtemp(join(tmpdir(), 'throttler-pm2-')), env)
  }

  /** Runs a command of pm2. Resolves with its output. */
  async run(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<string> {
    const options = { cwd: this.directory, env: { ...withHome(this.#home), ...PATIENCE, ...this.#env, ...env } }
    const { stdout } = await promisify(execFile)('pm2', [...args], options)
    return stdout
  }

  async app(name: string): Promise<Pm2App> {
    const list = JSON.parse(await this.run(['jlist'])) as Pm2App[]
    const app = list.find(app => app.name === name)
    if (app === undefined) throw new Error(`pm2 does not know ${name}`)
    return app
  }

  /** Stops the daemon and everything that it started. */
  async kill(): Promise<void> {
    await this.run(['kill'])
    for (const path of [this.directory, this.#home]) await rm(path, { recursive: true, force: true })
  }
}

function withHome(home: string): NodeJS.ProcessEnv {
  return { PATH: process.env['PATH'], HOME: home, PM2_HOME: home, PM2_DISCRETE_MODE: 'true' }
}
