import { close, closeSync, existsSync, fstatSync, ftruncateSync, openSync, rmSync, statSync } from 'node:fs'
import type { Logger } from '../observability/logger.ts'
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
 * The event log on disk: a header, then one event a line, in the order in which each partition appended them. Compaction
 * keeps the last event of each key, with its position.
 */
export class Journal {
  readonly path: string
  #header: JournalHeader
  #fd: number
  /** Size of the valid part of the file, in bytes. Anything after it was left by a failed write. */
  #bytes: number
  #lines: number
  #isTorn = false
  /** How often the whole journal was replaced. */
  #generation = 0

  /**
   * Opens the journal or creates one. Truncates an unterminated last line: it was being written when the machine or process ended,
   * and was never acknowledged.
   * @throws {CannotStart}
   */
  constructor({ path, identities, logger }: JournalOptions) {
    this.path = path
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
    logger.warn({ path, bytes: torn }, 'the last line of the journal is incomplete and was truncated')
    ftruncateSync(this.#fd, bytes)
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

  /** Syncs the events to disk. @throws if that fails; then none of them counts as written. */
  append(events: readonly string[]): void {
    this.#requireFile()
    if (this.#isTorn) ftruncateSync(this.#fd, this.#bytes)
    this.#isTorn = true
    this.#bytes += writeLines(this.#fd, events)
    this.#lines += events.length
    this.#isTorn = false
  }

  /** Writes to a file that was removed or truncated would be lost. */
  #requireFile(): void {
    const [own, found] = [fstatSync(this.#fd), statSync(this.path, { throwIfNoEntry: false })]
    if (found?.ino === own.ino && found.dev === own.dev && found.size >= this.#bytes) return
    throw new Error(`${this.path} was removed or changed by somebody else; restart the service`)
  }

  /** Replaces the journal, atomically even if the machine crashes. */
  replace(header: JournalHeader, entries: readonly string[]): void {
    const bytes = replaceByLines(this.path, this.#replacement, [headerLine(header), ...entries])
    this.#adopt(header, bytes, entries.length + 1)
  }

  /**
   * Keeps only the last event of each key up to these positions, while further events are appended. Atomic, like `replace`.
   * @param write see `writeCompacted`
   */
  async compact(header: JournalHeader, write: (job: CompactionJob) => Promise<number>): Promise<void> {
    const [generation, bytes, lines] = [this.#generation, this.#bytes, this.#lines]
    const [from, to] = [this.path, this.#compacted]
    try {
      const linesLeft = await write({ from, to, bytes, lines, header })
      const copied = await copyMost(from, to, bytes, () => this.#bytes)
      // Nothing is awaited from here on, so no event can be appended in between.
      if (this.#generation !== generation) return
      copyRest(from, to, copied, this.#bytes)
      this.#adopt(header, replaceFile(from, to), linesLeft + this.#lines - lines)
    } finally {
      rmSync(to, { force: true })
    }
  }

  #adopt(header: JournalHeader, bytes: number, lines: number): void {
    // In the background: freeing a long file takes the file system a while.
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
