import { close, closeSync, existsSync, fstatSync, ftruncateSync, openSync, rmSync, statSync } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import type { Logger } from '../observability/logger.ts'
import { CannotStart } from '../processes/supervised-process.ts'
import type { DirectoryLock } from './directory-lock.ts'
import { copyMost, copyRest, replaceByLines, replaceFile, writeLines } from './journal-files.ts'
import {
  headerLine,
  type JournalFile,
  type JournalHeader,
  measureLines,
  parseHeader,
  readLines,
} from './journal-lines.ts'
import { withCompactedTo } from './recorded-compaction.ts'
import type { CompactionJob } from './write-compacted.ts'

type HeldDirectory = Pick<DirectoryLock, 'isHeld' | 'requireHeld'>

interface JournalOptions {
  readonly path: string
  /** The identities of the logs of a new journal. */
  readonly identities: readonly string[]
  /** Only the process that holds it writes to it. */
  readonly directory: HeldDirectory
  readonly logger: Logger
}

/**
 * The event log on disk: a header, then one event a line, in the order in which each partition appended them. Compaction
 * keeps the last event of each key, with its position.
 */
export class Journal {
  readonly path: string
  readonly #directory: HeldDirectory
  #header: JournalHeader
  #fd: number
  /** Size of the valid part of the file, in bytes. Anything after it was left by a failed write. */
  #bytes: number
  #lines: number
  /** The positions up to which the logs in the store were compacted, as the file says. */
  #compactedTo: readonly number[]
  #isTorn = false
  /** Number of times that the whole journal was replaced. */
  #generation = 0

  /**
   * Opens the journal or creates one. Truncates an unterminated last line: it was being written when the machine or process ended,
   * and was never acknowledged.
   * @throws {CannotStart}
   */
  constructor({ path, identities, directory, logger }: JournalOptions) {
    this.path = path
    this.#directory = directory
    try {
      for (const temporary of [this.#replacement, this.#compacted]) rmSync(temporary, { force: true })
      if (!existsSync(path)) {
        const compactedTo = identities.map(() => 0)
        replaceByLines(path, this.#replacement, [headerLine({ identities, compactedTo })])
      }
      const { lines, bytes, torn } = measureLines(path)
      const [first] = readLines(path)
      this.#header = parseHeader(path, first)
      this.#compactedTo = this.#header.compactedTo
      this.#fd = openSync(path, 'a')
      this.#bytes = bytes
      this.#lines = lines
      if (torn === 0) return
      logger.warn({ path, bytes: torn }, 'the last line of the journal is incomplete and was truncated')
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

  /** Number of lines after the header. */
  get entryCount(): number {
    return this.#lines - 1
  }

  get file(): JournalFile {
    return { path: this.path, header: this.#header, bytes: this.#bytes }
  }

  /**
   * Syncs the events to disk, and how far the logs in the store are compacted: a start compacts them as far, so that it needs no more
   * memory than the store did.
   * @throws if that fails; then none of them counts as written
   */
  append(events: readonly string[], compactedTo = this.#compactedTo): void {
    this.requireWritable()
    const [first = '', ...others] = events
    const isRecorded = isDeepStrictEqual(compactedTo, this.#compactedTo)
    const lines = isRecorded ? events : [withCompactedTo(first, compactedTo), ...others]
    if (this.#isTorn) ftruncateSync(this.#fd, this.#bytes)
    this.#isTorn = true
    this.#bytes += writeLines(this.#fd, lines)
    this.#lines += lines.length
    this.#compactedTo = compactedTo
    this.#isTorn = false
  }

  /** @throws if an append would be lost, or change the file of another process */
  requireWritable(): void {
    this.#directory.requireHeld()
    if (this.isMissing) throw new Error(`${this.path} was removed`)
    this.requireNoOther()
  }

  /** Whether the file was removed, so that writes to it would be lost. */
  get isMissing(): boolean {
    return !existsSync(this.path)
  }

  /** @throws if another process has changed or replaced the file */
  requireNoOther(): void {
    const [own, found] = [fstatSync(this.#fd), statSync(this.path, { throwIfNoEntry: false })]
    if (found === undefined) return
    const hasLength = this.#isTorn ? found.size >= this.#bytes : found.size === this.#bytes
    if (hasLength && found.ino === own.ino && found.dev === own.dev) return
    throw new Error(`${this.path} was changed by another process; restart the service to read it`)
  }

  /** Replaces the journal, atomically even if the machine crashes. */
  replace(header: JournalHeader, entries: readonly string[]): void {
    this.#directory.requireHeld()
    const bytes = replaceByLines(this.path, this.#replacement, [headerLine(header), ...entries])
    this.#adopt(header, bytes, entries.length + 1)
  }

  /**
   * Writes a removed journal again, in pieces, while other work continues.
   * @param rest returns the lines that were added while the pieces were written
   */
  async rewrite(header: JournalHeader, pieces: AsyncIterable<readonly string[]>, rest: () => readonly string[]) {
    this.#directory.requireHeld()
    const fd = openSync(this.#replacement, 'w')
    let lines = 1
    const write = (entries: readonly string[]) => {
      writeLines(fd, entries)
      lines += entries.length
    }
    try {
      writeLines(fd, [headerLine(header)])
      for await (const piece of pieces) write(piece)
      // Nothing is awaited from here on, so no event can be added in between.
      write(rest())
      this.#directory.requireHeld()
      this.requireNoOther()
      this.#adopt(header, replaceFile(this.path, this.#replacement), lines)
    } finally {
      closeSync(fd)
      this.#discard(this.#replacement)
    }
  }

  /** Leaves the file if another process holds the directory, since it may be that process's. */
  #discard(temporary: string): void {
    if (this.#directory.isHeld) rmSync(temporary, { force: true })
  }

  /**
   * Keeps only the last event of each key up to these positions, while further events are appended. Atomic, like `replace`.
   * @param write see `writeCompacted`
   */
  async compact(header: JournalHeader, write: (job: CompactionJob) => Promise<number>): Promise<void> {
    const [generation, bytes, lines] = [this.#generation, this.#bytes, this.#lines]
    const [from, to] = [this.path, this.#compacted]
    this.requireWritable()
    try {
      const linesLeft = await write({ from, to, bytes, lines, header })
      const copied = await copyMost(from, to, bytes, () => this.#bytes)
      // Nothing is awaited from here on, so no event can be appended in between.
      if (this.#generation !== generation) return
      this.requireWritable()
      copyRest(from, to, copied, this.#bytes)
      this.#adopt(header, replaceFile(from, to), linesLeft + this.#lines - lines)
    } finally {
      this.#discard(to)
    }
  }

  #adopt(header: JournalHeader, bytes: number, lines: number): void {
    // In the background: freeing a long file takes the file system a while.
    close(this.#fd, () => undefined)
    this.#fd = openSync(this.path, 'a')
    this.#header = header
    this.#compactedTo = header.compactedTo
    this.#bytes = bytes
    this.#lines = lines
    this.#isTorn = false
    this.#generation++
  }

  close(): void {
    closeSync(this.#fd)
  }
}
