import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** A program that Go compiles from a public module. */
export class GoProgram {
  readonly #directory: string
  readonly #file: string

  private constructor(directory: string, name: string) {
    this.#directory = directory
    this.#file = join(directory, name)
  }

  /** @param module with a version: `example.com/program@v1.0.0` */
  static async install(module: string, name: string): Promise<GoProgram> {
    const directory = await mkdtemp(join(tmpdir(), 'throttler-go-'))
    await run('go', ['install', module], { env: { ...process.env, GOBIN: directory } })
    return new GoProgram(directory, name)
  }

  /** Runs it to its end. */
  async run(...args: readonly string[]): Promise<Ended> {
    const ended = run(this.#file, args, { maxBuffer: 64 * 1024 * 1024 })
    const { stdout, stderr } = await ended.catch(err => err)
    return { code: ended.child.exitCode, stdout, stderr }
  }

  async remove(): Promise<void> {
    await rm(this.#directory, { recursive: true })
  }
}
