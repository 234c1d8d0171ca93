import { execFileSync } from 'node:child_process'
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A pipe that is not read until `read` is called. */
export class Fifo {
  readonly #directory = mkdtempSync(join(tmpdir(), 'throttler-fifo-'))
  readonly #readEnd: number
  /** Blocks a writer while the pipe is full, like a pipe of a shell. */
  readonly writeEnd: number

  constructor() {
    const path = join(this.#directory, 'pipe')
    execFileSync('mkfifo', [path])
    this.#readEnd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    this.writeEnd = openSync(path, constants.O_WRONLY)
  }

  /** Reads everything that is in the pipe. */
  read(): string {
    const chunk = Buffer.alloc(1024 * 1024)
    try {
      return chunk.toString('utf8', 0, readSync(this.#readEnd, chunk))
    } catch (err) {
      if ((err as NodeJS.ErrnoException).code === 'EAGAIN') return ''
      throw err
    }
  }

  close(): void {
    closeSync(this.#readEnd)
    closeSync(this.writeEnd)
    rmSync(this.#directory, { recursive: true })
  }
}
