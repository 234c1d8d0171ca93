import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const SOURCE = fileURLToPath(new URL('./shifted-clock.c', import.meta.url))

/** A clock that a test shifts while a server uses it. */
export class ShiftedClock {
  readonly #directory = mkdtempSync(join(tmpdir(), 'throttler-clock-'))
  readonly #file = join(this.#directory, 'shift')
  readonly #library = join(this.#directory, 'shifted-clock.so')

  constructor() {
    const { status, stderr } = spawnSync('cc', ['-shared', '-fPIC', '-O1', '-o', this.#library, SOURCE, '-ldl'])
    if (status !== 0) throw new Error(`cc failed: ${stderr}`)
    this.shiftTo(0)
  }

  /** The variables that make a server use this clock. */
  get env(): Record<string, string> {
    return { SHIFTED_CLOCK: this.#file, LD_PRELOAD: this.#library }
  }

  /** Sets how far the server's clock is ahead of that of the machine, in ms. */
  shiftTo(ms: number): void {
    writeFileSync(this.#file, String(ms))
  }

  remove(): void {
    rmSync(this.#directory, { recursive: true, force: true })
  }
}
