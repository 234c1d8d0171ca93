import type { Progress } from '../config-change/maintenance/ports.ts'

const INTERVAL_MS = 200
const ERASE_LINE = '\r\u001b[K'

/** A line on the terminal that says how far a long work is; nothing where standard error is no terminal. */
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

  /** Takes the line away, before something is said or the work is done. */
  clear(): void {
    if (this.#isShown) process.stderr.write(ERASE_LINE)
    this.#isShown = false
  }
}
