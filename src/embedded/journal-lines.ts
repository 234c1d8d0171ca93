/** The journal's line format, and how to read it. */

import { isUtf8 } from 'node:buffer'
import { closeSync, openSync, readSync } from 'node:fs'
import { type PolicyEvent, upcast } from '../domain/events.ts'
import { faultWithin, type MemberFault } from '../domain/member-fault.ts'
import { cut } from '../lib/cut.ts'
import { isNestedDeeper } from '../lib/is-nested-deeper.ts'
import { isObject, type Members } from '../lib/is-object.ts'
import { parseJson } from '../lib/parse-json.ts'
import { CannotStart } from '../processes/supervised-process.ts'
import { compactedFault, compactedToFault, eventFault, FORMAT, headerFault, schemaFault } from './journal-members.ts'
import { hasCompactedTo, withoutCompactedTo } from './recorded-compaction.ts'

const READ_BYTES = 2 ** 20
const NEWLINE = 0x0a

/** Characters of a value that a report quotes. */
const QUOTED_LENGTH = 100
const CONTROL = /\p{Cc}/gu

/** Far more levels than an event has, and far fewer than the stack of `JSON.stringify` allows. */
const MAX_DEPTH = 100

export interface JournalHeader {
  /** Of each partition's log. */
  readonly identities: readonly string[]
  /** The position up to which each partition's log is compacted. */
  readonly compactedTo: readonly number[]
}

/** The valid part of a journal. */
export interface JournalFile {
  readonly path: string
  readonly header: JournalHeader
  /** Size of the part, in bytes. */
  readonly bytes: number
}

/** One line of the journal after the header. */
export interface JournalEntry {
  /** The number of the line, from 1. */
  readonly line: number
  /** The event as it was written. */
  readonly text: string
  readonly event: PolicyEvent
  /** The position in the log; only for the last compacted event of a key. */
  readonly position?: number
  /** The positions up to which the logs in the store were compacted; only if that was recorded with the event. */
  readonly compactedTo?: readonly number[]
}

export function headerLine({ identities, compactedTo }: JournalHeader): string {
  return JSON.stringify({ journal: FORMAT, identities, compactedTo })
}

/** @param event as JSON */
export function compactedLine(position: number, event: string): string {
  return `{"position":${position},"event":${event}}`
}

/** @throws {CannotStart} */
export function parseHeader(path: string, line = ''): JournalHeader {
  const header = parseMembers(path, line, 1)
  const { journal } = header
  if (Number.isInteger(journal) && Number(journal) > FORMAT) {
    throw new CannotStart(`line 1 of ${path}: the journal has format ${journal}; this release reads up to ${FORMAT}`)
  }
  requireSound(path, 1, headerFault(header))
  const { identities, compactedTo = identities.map(() => 0) } = header as Members & JournalHeader
  return { identities, compactedTo }
}

/** @throws {CannotStart} */
export function parseEntry(path: string, text: string, line: number): JournalEntry {
  const value = parseMembers(path, text, line)
  if (hasCompactedTo(text)) return readRecordingEntry(path, value, { line, text })
  if (!('position' in value)) return { line, text, event: readEvent(path, value, line) }
  requireSound(path, line, compactedFault(value))
  const { position, event: stored } = value as { position: number; event: Members }
  const event = readEvent(path, stored, line, 'event')
  return { line, text: JSON.stringify(event), event, position }
}

function readRecordingEntry(
  path: string,
  { compactedTo, ...stored }: Members,
  { line, text }: Pick<JournalEntry, 'line' | 'text'>,
): JournalEntry {
  requireSound(path, line, compactedToFault(compactedTo))
  const event = readEvent(path, stored, line)
  return { line, text: withoutCompactedTo(text), event, compactedTo: compactedTo as readonly number[] }
}

/** @throws {CannotStart} at a damaged line, or one of a later release */
export function* readEntries({ path, bytes }: JournalFile): Generator<JournalEntry> {
  let number = 0
  for (const line of readLines(path, bytes)) {
    if (++number > 1) yield parseEntry(path, line, number)
  }
}

/** Reports a line that this service cannot have written. */
export function damagedLine(path: string, line: number, detail: string): CannotStart {
  return new CannotStart(`line ${line} of ${path} is damaged: ${detail}; restore the file from a backup`)
}

/** @param parent the member that contains the event, if any */
function readEvent(path: string, stored: Members, line: number, parent = ''): PolicyEvent {
  requireSound(path, line, faultWithin(parent, schemaFault(stored)))
  const event = upcastAt(path, stored, line)
  requireSound(path, line, faultWithin(parent, eventFault(event)))
  return event
}

function upcastAt(path: string, stored: Members, line: number): PolicyEvent {
  try {
    return upcast(stored)
  } catch (err) {
    throw new CannotStart(`line ${line} of ${path}: ${(err as Error).message}`)
  }
}

function requireSound(path: string, line: number, fault: MemberFault | undefined): void {
  if (fault === undefined) return
  const { member, found, allowed } = fault
  const got = found === undefined ? 'it is missing' : `got ${quote(found)}`
  throw damagedLine(path, line, `"${shorten(member)}" must be ${allowed} (${got})`)
}

/** Numbers may be infinite, which JSON cannot express. */
function quote(value: unknown): string {
  return shorten(typeof value === 'number' ? String(value) : JSON.stringify(value))
}

function shorten(text: string): string {
  return cut(text, QUOTED_LENGTH)
}

/** Escapes control characters, as in JSON: a disk that lost power may leave NUL bytes. */
function visible(text: string): string {
  const hexOf = (character: string) => character.charCodeAt(0).toString(16).padStart(4, '0')
  return text.slice(0, QUOTED_LENGTH + 1).replace(CONTROL, character => `\\u${hexOf(character)}`)
}

function parseMembers(path: string, text: string, line: number): Members {
  const value = parseJson(text)
  if (isNestedDeeper(value, MAX_DEPTH))
    throw damagedLine(path, line, `it must be nested at most ${MAX_DEPTH} levels deep`)
  if (isObject(value)) return value
  throw damagedLine(path, line, `it must be a JSON object (got ${shorten(visible(text)) || 'nothing'})`)
}

/**
 * Reads the complete lines among the first bytes of a file, in chunks. Omits an unterminated last line.
 * @throws {CannotStart} at a line that is not UTF-8
 */
export function* readLines(path: string, end = Number.POSITIVE_INFINITY): Generator<string> {
  let rest: Buffer = Buffer.alloc(0)
  let read = 0
  for (const piece of readPieces(path, end)) {
    const bytes = rest.length > 0 ? Buffer.concat([rest, piece]) : piece
    const whole = bytes.lastIndexOf(NEWLINE) + 1
    const lines = whole > 0 ? bytes.toString('utf8', 0, whole - 1).split('\n') : []
    if (!isUtf8(bytes.subarray(0, whole))) {
      const sound = countUtf8Lines(bytes)
      yield* lines.slice(0, sound)
      throw damagedLine(path, read + sound + 1, `it must be UTF-8 (got ${shorten(visible(lines[sound] ?? ''))})`)
    }
    yield* lines
    read += lines.length
    rest = Buffer.from(bytes.subarray(whole))
  }
}

/** The number of lines before the first one that is not UTF-8. */
function countUtf8Lines(bytes: Buffer): number {
  const lines = bytes.toString('latin1').split('\n')
  return lines.findIndex(line => !isUtf8(Buffer.from(line, 'latin1')))
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
