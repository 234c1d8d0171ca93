import { LineFault } from '../simulation/line-fault.ts'
import { type TextLine, textLines, type UnreadableLine } from '../simulation/text-lines.ts'
import { readInput } from './input-file.ts'
import { printable } from './printable.ts'
import { TerminalProgress } from './progress.ts'

/** Faults that are named. All are counted. */
const MAX_NAMED = 20

/** A file that is read line by line, where a bad line is named on standard error, counted and skipped. Empty lines are ignored. */
export class TrafficFile {
  readonly #path: string
  readonly #progress = new TerminalProgress('bytes read')
  #number = 0
  #lines = 0
  #bad = 0

  constructor(path: string) {
    this.#path = path
  }

  /** Lines that are not empty. */
  get lines(): number {
    return this.#lines
  }

  get bad(): number {
    return this.#bad
  }

  /** Reads the lines, many at a time. A `LineFault` that `read` throws makes its line bad. */
  async *map<T>(read: (line: string) => T): AsyncGenerator<readonly T[]> {
    for await (const lines of textLines(readInput(this.#path, this.#progress))) {
      const results: T[] = []
      for (const line of lines) this.#readLine(line, read, results)
      yield results
    }
    this.#progress.clear()
    if (this.#bad > MAX_NAMED) process.stderr.write(`… and ${this.#bad - MAX_NAMED} more bad lines\n`)
  }

  #readLine<T>(line: TextLine, read: (line: string) => T, results: T[]): void {
    this.#number++
    if (line === '') return
    this.#lines++
    try {
      results.push(read(typeof line === 'string' ? line : unreadable(line)))
    } catch (err) {
      if (!(err instanceof LineFault)) throw err
      this.#refuse(err.message)
    }
  }

  #refuse(why: string): void {
    this.#bad++
    if (this.#bad > MAX_NAMED) return
    this.#progress.clear()
    process.stderr.write(`${printable(`${this.#path}: line ${this.#number}: ${why}`)}\n`)
  }
}

function unreadable({ why }: UnreadableLine): never {
  throw new LineFault(why)
}
