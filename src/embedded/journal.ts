import { close, closeSync, existsSync, fstatSync, ftruncateSync, openSync, rmSync, statSync } from 'node:fs'
import type { Logger } from '../logger.ts'
import { CannotStart } from '../processes/supervised-process.ts'
import { copyMost, copyRest, replaceByLines, replaceFile, writeLines } from './journal-files.ts'
import {
  headerLine,
  type JournalEntry,
  type JournalHeader,
  measureLines,
  parseEntry,
  parseHeader,
  readLines,
} from './journal-lines.ts'
import type { CompactionJob } from './write-compacted.ts'

interface JournalOptions {
  readonly path: string
  /** For the logs of a new journal. */
  readonly identities: readonly string[]
  readonly logger: Logger
}

/**
 * The event log on disk: a header, then one event a line, in the order in which each partition appended them. Of compacted
 * events, the last one of each key is left, with its position.
 */
export class Journal {
  readonly path: string
  #header: JournalHeader
  #fd: number
  /** How much of the file is valid. Anything after it was being written when a write failed. */
  #bytes: number
  #lines: number
  #isTorn = false
  /** How often the journal was replaced as a whole. */
  #generation = 0

  /**
   * Opens the journal, or begins one. A last line that is not whole was being written when the machine or process ended; it was
   * never answered as applied, and is cut off.
   * @throws {CannotStart}
   */
  constructor({ path, identities, logger }: JournalOptions) {
    this.path = path
    try {
      for (const temporary of [this.#replacement, this.#compacted]) rmSync(temporary, { force: true })
      if (!existsSync(path)) {
        const compactedTo = identities.map(() => 0)
        replaceByLines(path, this.#replacement, [headerLine({ identities, compactedTo })])
      }
      const { lines, bytes, torn } = measureLines(path)
      const [first] = readLines(path)
      this.#header = parseHeader(path, first)
      this.#fd = openSync(path, 'a')
      this.#bytes = bytes
      this.#lines = lines
      if (torn === 0) return
      logger.warn({ path, bytes: torn }, 'the last line of the journal is torn: it is cut off')
      ftruncateSync(this.#fd, bytes)
    } catch (err) {
      if (err instanceof CannotStart) throw err
      throw new CannotStart(`${path} cannot be used: ${(err as Error).message}`)
    }
  }

  get #replacement(): string {
    return `${this.path}.new`
  }

  get #compacted(): string {
    return `${this.path}.compacted`
  }

  get header(): JournalHeader {
    return this.#header
  }

  /** How many lines follow the header. */
  get entryCount(): number {
    return this.#lines - 1
  }

  /** @throws {CannotStart} at a line that is damaged, or was written by a later release */
  *entries(): Generator<JournalEntry> {
    let number = 0
    for (const line of readLines(this.path, this.#bytes)) {
      if (++number > 1) yield parseEntry(this.path, line, number)
    }
  }

  /** Returns once the events are on disk. @throws when they are not; then none of them counts as written. */
  append(events: readonly string[]): void {
    this.#requireFile()
    if (this.#isTorn) ftruncateSync(this.#fd, this.#bytes)
    this.#isTorn = true
    this.#bytes += writeLines(this.#fd, events)
    this.#lines += events.length
    this.#isTorn = false
  }

  /** A file that was removed or cut takes what is written to nowhere. */
  #requireFile(): void {
    const [own, found] = [fstatSync(this.#fd), statSync(this.path, { throwIfNoEntry: false })]
    if (found?.ino === own.ino && found.dev === own.dev && found.size >= this.#bytes) return
    throw new Error(`${this.path} was removed or changed by somebody else; restart the service`)
  }

  /** Begins the journal again. Whenever the machine ends, either the old one or the new one is there, and whole. */
  replace(header: JournalHeader, entries: readonly string[]): void {
    const bytes = replaceByLines(this.path, this.#replacement, [headerLine(header), ...entries])
    this.#adopt(header, bytes, entries.length + 1)
  }

  /**
   * Leaves of the events up to these positions only the last one of each key, while further events are appended. As `replace`,
   * it is whole at every instant.
   * @param write does what `writeCompacted` does
   */
  async compact(header: JournalHeader, write: (job: CompactionJob) => Promise<number>): Promise<void> {
    const [generation, bytes, lines] = [this.#generation, this.#bytes, this.#lines]
    const [from, to] = [this.path, this.#compacted]
    try {
      const linesLeft = await write({ from, to, bytes, lines, header })
      const copied = await copyMost(from, to, bytes, () => this.#bytes)
      // From here on nothing is awaited, so that no event comes between.
      if (this.#generation !== generation) return
      copyRest(from, to, copied, this.#bytes)
      this.#adopt(header, replaceFile(from, to), linesLeft + this.#lines - lines)
    } finally {
      rmSync(to, { force: true })
    }
  }

  #adopt(header: JournalHeader, bytes: number, lines: number): void {
    // In the background, as the file system takes a while to free a long file.
    close(this.#fd, () => undefined)
    this.#fd = openSync(this.path, 'a')
    this.#header = header
    this.#bytes = bytes
    this.#lines = lines
    this.#isTorn = false
    this.#generation++
  }

  close(): void {
    closeSync(this.#fd)
  }
}
