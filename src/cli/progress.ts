import type { Progress } from '../config-change/maintenance/ports.ts'

const INTERVAL_MS = 200
const ERASE_LINE = '\r\u001b[K'

/** Shows the progress of a long operation on the terminal; shows nothing if standard error is not a terminal. */
export class TerminalProgress implements Progress {
  readonly #what: string
  #count = 0
  #shownAt = performance.now()
  #isShown = false

  constructor(what: string) {
    this.#what = what
  }

  advanced(count: number): void {
    this.#count += count
    if (!process.stderr.isTTY || performance.now() - this.#shownAt < INTERVAL_MS) return
    process.stderr.write(`${ERASE_LINE}${this.#what}: ${this.#count.toLocaleString('en')}`)
    this.#shownAt = performance.now()
    this.#isShown = true
  }

  /** Removes the line, before other output and at the end. */
  clear(): void {
    if (this.#isShown) process.stderr.write(ERASE_LINE)
    this.#isShown = false
  }
}
