/** The journal's line format, and how to read it. */
import { closeSync, openSync, readSync } from 'node:fs'
import { type PolicyEvent, upcast } from '../domain/events.ts'
import { CannotStart } from '../processes/supervised-process.ts'

/** Format 1 is the same without compaction. */
const FORMATS = [1, 2]
const FORMAT = 2

const READ_BYTES = 2 ** 20
const NEWLINE = 0x0a

export interface JournalHeader {
  /** Of each partition's log. */
  readonly identities: readonly string[]
  /** The position up to which each partition's log is compacted. */
  readonly compactedTo: readonly number[]
}

/** One line of the journal after the header. */
export interface JournalEntry {
  /** The number of the line, from 1. */
  readonly line: number
  /** The event as it was written. */
  readonly text: string
  readonly event: PolicyEvent
  /** Present for the last event of a key that was compacted: its position in the log. */
  readonly position?: number
}

export function headerLine({ identities, compactedTo }: JournalHeader): string {
  return JSON.stringify({ journal: FORMAT, identities, compactedTo })
}

/** @param event as JSON */
export function compactedLine(position: number, event: string): string {
  return `{"position":${position},"event":${event}}`
}

/** @throws {CannotStart} */
export function parseHeader(path: string, line: string | undefined): JournalHeader {
  const value = parseJson(line ?? '')
  if (!isObject(value) || !FORMATS.includes(Number(value['journal'])) || !Array.isArray(value['identities'])) {
    throw new CannotStart(`${path} is not a journal that this version can read`)
  }
  const { identities, compactedTo = identities.map(() => 0) } = value
  return { identities, compactedTo: compactedTo as number[] }
}

/** @throws {CannotStart} */
export function parseEntry(path: string, text: string, line: number): JournalEntry {
  const value = parseJson(text)
  const isCompacted = isObject(value) && 'position' in value
  const event = readEvent(path, isCompacted ? value['event'] : value, line)
  if (!isCompacted) return { line, text, event }
  return { line, text: JSON.stringify(event), event, position: Number(value['position']) }
}

/** Reports a line that this service cannot have written. */
export function damagedLine(path: string, line: number, detail = ''): CannotStart {
  return new CannotStart(`line ${line} of ${path} is damaged${detail}; restore the file from a backup`)
}

function readEvent(path: string, value: unknown, line: number): PolicyEvent {
  if (!isObject(value)) throw damagedLine(path, line)
  try {
    const event = upcast(value)
    if (isEvent(event)) return event
  } catch (err) {
    throw new CannotStart(`line ${line} of ${path}: ${(err as Error).message}`)
  }
  throw damagedLine(path, line)
}

function isEvent({ key, version, at, actor, commandId, policy }: PolicyEvent): boolean {
  return (
    [key, at, actor, commandId].every(text => typeof text === 'string') &&
    Number.isSafeInteger(version) &&
    typeof policy === 'object'
  )
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Reads the complete lines among the first bytes of a file, in chunks. Omits an unterminated last line. */
export function* readLines(path: string, end = Number.POSITIVE_INFINITY): Generator<string> {
  let rest: Buffer = Buffer.alloc(0)
  for (const piece of readPieces(path, end)) {
    const bytes = rest.length > 0 ? Buffer.concat([rest, piece]) : piece
    const whole = bytes.lastIndexOf(NEWLINE) + 1
    if (whole > 0) yield* bytes.toString('utf8', 0, whole - 1).split('\n')
    rest = Buffer.from(bytes.subarray(whole))
  }
}

/** Counts the complete lines of a file and their bytes. */
export function measureLines(path: string): { lines: number; bytes: number; torn: number } {
  let [lines, read, bytes] = [0, 0, 0]
  for (const piece of readPieces(path, Number.POSITIVE_INFINITY)) {
    for (let at = piece.indexOf(NEWLINE); at !== -1; at = piece.indexOf(NEWLINE, at + 1)) {
      lines++
      bytes = read + at + 1
    }
    read += piece.length
  }
  return { lines, bytes, torn: read - bytes }
}

function* readPieces(path: string, end: number): Generator<Buffer> {
  const fd = openSync(path, 'r')
  const buffer = Buffer.allocUnsafe(READ_BYTES)
  try {
    for (let read = 0; read < end; ) {
      const length = readSync(fd, buffer, 0, Math.min(READ_BYTES, end - read), read)
      if (length === 0) return
      read += length
      yield buffer.subarray(0, length)
    }
  } finally {
    closeSync(fd)
  }
}
