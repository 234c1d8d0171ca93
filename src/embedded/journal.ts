import {
  closeSync,
  existsSync,
  fdatasyncSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { inChunks } from '../chunks.ts'
import type { LogEntry } from '../config-change/ports.ts'
import { type PolicyEvent, upcast } from '../domain/events.ts'
import type { Logger } from '../logger.ts'

/** Format 1 knew no compaction; but for that it is the same. */
const FORMATS = [1, 2]
const FORMAT = 2

interface Header {
  readonly journal: number
  /** Of each partition's log. */
  readonly identities: readonly string[]
  /** The position up to which each partition's log is compacted. */
  readonly compactedTo?: readonly number[]
}

/** What a journal holds, each part in the order of its lines. */
export interface JournalContent {
  readonly identities: readonly string[]
  readonly compactedTo: readonly number[]
  /** The last event of each key that was compacted. */
  readonly snapshot: readonly LogEntry[]
  readonly events: readonly PolicyEvent[]
}

/**
 * The event log on disk: a header, then what is left of compacted events, then one event a line, in the order in which each
 * partition appended them.
 */
export class Journal {
  readonly #path: string
  #fd: number

  private constructor(path: string) {
    this.#path = path
    this.#fd = openSync(path, 'a')
  }

  /**
   * Opens the journal, or begins one. A last line that is not whole was being written when the machine or process ended; it was
   * never answered as applied, and is cut off.
   * @param identities for the logs of a new journal
   */
  static open(
    path: string,
    identities: readonly string[],
    logger: Logger,
  ): { journal: Journal; content: JournalContent } {
    if (!existsSync(path))
      write(path, [
        header(
          identities,
          identities.map(() => 0),
        ),
      ])
    const bytes = readFileSync(path)
    const whole = bytes.lastIndexOf('\n') + 1
    const content = parse(path, bytes)
    const journal = new Journal(path)
    if (whole < bytes.length) {
      logger.warn({ path, bytes: bytes.length - whole }, 'the last line of the journal is torn: it is cut off')
      ftruncateSync(journal.#fd, whole)
    }
    return { journal, content }
  }

  /** Returns once the events are on disk. */
  append(events: readonly string[]): void {
    if (events.length > 0) writeLines(this.#fd, events)
  }

  /** Begins the journal anew. Whenever the machine ends, either the old one or the new one is there, and whole. */
  replace(
    identities: readonly string[],
    compactedTo: readonly number[],
    snapshot: readonly string[],
    events: readonly string[],
  ): void {
    write(this.#path, [header(identities, compactedTo), ...snapshot, ...events])
    closeSync(this.#fd)
    this.#fd = openSync(this.#path, 'a')
  }

  close(): void {
    closeSync(this.#fd)
  }
}

function header(identities: readonly string[], compactedTo: readonly number[]): string {
  return JSON.stringify({ journal: FORMAT, identities, compactedTo } satisfies Header)
}

function write(path: string, lines: readonly string[]): void {
  const fd = openSync(`${path}.new`, 'w')
  writeLines(fd, lines)
  closeSync(fd)
  renameSync(`${path}.new`, path)
  const directory = openSync(dirname(path), 'r')
  fsyncSync(directory)
  closeSync(directory)
}

function writeLines(fd: number, lines: readonly string[]): void {
  for (const some of inChunks(lines)) {
    const bytes = Buffer.from(`${some.join('\n')}\n`)
    for (let written = 0; written < bytes.length; ) written += writeSync(fd, bytes, written)
  }
  fdatasyncSync(fd)
}

/** The lines that are whole. One by one, as all of them may be longer than a string can be. */
function* linesOf(bytes: Buffer): Generator<string> {
  for (let from = 0, end = bytes.indexOf('\n'); end !== -1; end = bytes.indexOf('\n', from)) {
    yield bytes.toString('utf8', from, end)
    from = end + 1
  }
}

function parse(path: string, bytes: Buffer): JournalContent {
  const lines = linesOf(bytes)
  const begin = parseLine(path, lines.next().value ?? 'null', 1)
  if (!isHeader(begin)) throw new Error(`${path} is not a journal that this version can read`)
  const { identities, compactedTo = identities.map(() => 0) } = begin
  const snapshot: LogEntry[] = []
  const events: PolicyEvent[] = []
  let number = 1
  for (const line of lines) {
    const value = parseLine(path, line, ++number)
    if (isCompacted(value)) snapshot.push({ position: value.position, event: upcast(value.event) })
    else events.push(upcast(value))
  }
  return { identities, compactedTo, snapshot, events }
}

function parseLine(path: string, line: string, number: number): unknown {
  try {
    return JSON.parse(line)
  } catch (cause) {
    throw new Error(`line ${number} of ${path} is damaged; restore the file from a backup`, { cause })
  }
}

function isHeader(value: unknown): value is Header {
  return typeof value === 'object' && value !== null && 'journal' in value && FORMATS.includes(Number(value.journal))
}

function isCompacted(value: unknown): value is LogEntry {
  return typeof value === 'object' && value !== null && 'position' in value
}
