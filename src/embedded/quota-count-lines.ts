/** The line format of the counts of quotas, and how to read it. */
import { isUtf8 } from 'node:buffer'
import { createReadStream } from 'node:fs'
import { parseJson } from '../lib/parse-json.ts'

/** The value of a bucket that has a quota, in hexadecimal digits, and when it expires, in ms since 1970. */
export interface QuotaCount {
  readonly value: string
  readonly expiresAt: number
}

/** What a line says of a bucket: its count, or that it is gone. */
export interface QuotaCountLine {
  readonly key: string
  readonly count: QuotaCount | undefined
}

/** Lines that were read in one turn of the event loop. */
export interface LinesPiece {
  readonly lines: readonly string[]
  /** Bytes of the complete lines of the file up to here. */
  readonly bytes: number
  /** Bytes of the file up to here. */
  readonly read: number
}

/** Takes well below a tenth of a second to decode. */
const PIECE_BYTES = 256 * 1024

/** This service writes no line that is nearly as long. */
const MAX_LINE_BYTES = 64 * 1024

/** Takes the place of a line that is not UTF-8, and of the beginning of a longer line: no JSON has this character. */
const DAMAGED = '\0'

/** Of a line without its key, value and time. */
const BARE_BYTES = '{"key":"","value":"","expiresAt":}\n'.length
const NEEDS_NO_ESCAPES = /^[ !#-[\]-~]*$/

const NEWLINE = 0x0a
const BYTES = /^(?:[0-9a-f]{2})+$/

export function lineOf(key: string, count: QuotaCount | undefined): string {
  return `${JSON.stringify({ key, ...count })}\n`
}

/** Bytes of the line. */
export function lengthOf(key: string, count: QuotaCount): number {
  const escaped = NEEDS_NO_ESCAPES.test(key) ? key.length : Buffer.byteLength(JSON.stringify(key)) - 2
  return BARE_BYTES + escaped + count.value.length + String(count.expiresAt).length
}

/** Returns `undefined` for a line that this service cannot have written. */
export function parseLine(line: string): QuotaCountLine | undefined {
  const { key, ...count } = Object(parseJson(line)) as Record<string, unknown>
  if (typeof key !== 'string') return
  if (isCount(count)) return { key, count }
  return Object.keys(count).length === 0 ? { key, count: undefined } : undefined
}

function isCount(value: object): value is QuotaCount {
  const count = value as { [member in keyof QuotaCount]?: unknown }
  return typeof count.value === 'string' && BYTES.test(count.value) && Number.isSafeInteger(count.expiresAt)
}

/**
 * Reads the complete lines of a file in pieces, between which the process does other work. Omits an unterminated last line. Holds
 * only one piece in memory, and of a line that is too long or not UTF-8 only that it is damaged.
 */
export async function* linePieces(path: string, pieceBytes = PIECE_BYTES): AsyncGenerator<LinesPiece> {
  let [read, bytes] = [0, 0]
  let rest: Buffer = Buffer.alloc(0)
  for await (const piece of createReadStream(path, { highWaterMark: pieceBytes }) as AsyncIterable<Buffer>) {
    const joined = rest.length > 0 ? Buffer.concat([rest, piece]) : piece
    const whole = joined.lastIndexOf(NEWLINE) + 1
    rest = joined.subarray(whole)
    read += piece.length
    if (whole > 0) bytes = read - rest.length
    yield { lines: whole > 0 ? linesIn(joined.subarray(0, whole - 1)) : [], bytes, read }
    if (rest.length > MAX_LINE_BYTES) rest = Buffer.from(DAMAGED)
  }
}

function linesIn(bytes: Buffer): string[] {
  if (isUtf8(bytes)) return bytes.toString().split('\n')
  return bytes.toString('latin1').split('\n').map(textOf)
}

/** @param line a character for each byte */
function textOf(line: string): string {
  const bytes = Buffer.from(line, 'latin1')
  return isUtf8(bytes) ? bytes.toString() : DAMAGED
}
