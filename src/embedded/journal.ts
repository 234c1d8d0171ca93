import {
  closeSync,
  existsSync,
  fdatasyncSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'
import type { PolicyEvent } from '../domain/events.ts'
import type { Logger } from '../logger.ts'

const FORMAT = 1

interface Header {
  readonly journal: typeof FORMAT
  /** Of each partition's log. */
  readonly identities: readonly string[]
}

/** The event log on disk: a header, then one event a line, in the order in which each partition appended them. */
export class Journal {
  readonly identities: readonly string[]
  readonly #fd: number

  private constructor(fd: number, identities: readonly string[]) {
    this.#fd = fd
    this.identities = identities
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
  ): { journal: Journal; events: readonly PolicyEvent[] } {
    if (!existsSync(path)) return { journal: Journal.#begin(path, identities), events: [] }
    const bytes = readFileSync(path)
    const whole = bytes.lastIndexOf('\n') + 1
    const fd = openSync(path, 'a')
    if (whole < bytes.length) {
      logger.warn({ path, bytes: bytes.length - whole }, 'the last line of the journal is torn: it is cut off')
      ftruncateSync(fd, whole)
    }
    const [header, ...events] = bytes
      .toString('utf8', 0, whole)
      .split('\n')
      .slice(0, -1)
      .map((line, i) => parseLine(path, line, i + 1))
    if (!isHeader(header)) throw new Error(`${path} is not a journal that this version can read`)
    return { journal: new Journal(fd, header.identities), events: events as PolicyEvent[] }
  }

  static #begin(path: string, identities: readonly string[]): Journal {
    const journal = new Journal(openSync(path, 'wx'), identities)
    journal.#write(JSON.stringify({ journal: FORMAT, identities } satisfies Header))
    const directory = openSync(dirname(path), 'r')
    fsyncSync(directory)
    closeSync(directory)
    return journal
  }

  /** Returns once the events are on disk. */
  append(events: readonly string[]): void {
    if (events.length > 0) this.#write(events.join('\n'))
  }

  #write(lines: string): void {
    const bytes = Buffer.from(`${lines}\n`)
    for (let written = 0; written < bytes.length; ) written += writeSync(this.#fd, bytes, written)
    fdatasyncSync(this.#fd)
  }

  close(): void {
    closeSync(this.#fd)
  }
}

function parseLine(path: string, line: string, number: number): unknown {
  try {
    return JSON.parse(line)
  } catch (cause) {
    throw new Error(`line ${number} of ${path} is damaged; restore the file from a backup`, { cause })
  }
}

function isHeader(value: unknown): value is Header {
  return typeof value === 'object' && value !== null && 'journal' in value && value.journal === FORMAT
}
