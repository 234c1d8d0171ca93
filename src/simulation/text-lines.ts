import { isUtf8 } from 'node:buffer'
import { BYTE_ORDER_MARK, splitLines } from '../lib/split-lines.ts'

const NEWLINE = '\n'
const CARRIAGE_RETURN = '\r'

/** In bytes. No check and no line of an access log is longer. */
const MAX_LINE_BYTES = 65_536

/** The most bytes of UTF-8 for each unit in which JavaScript measures a text. */
const MAX_BYTES_PER_UNIT = 3

/** A line that cannot be read as text, and why. */
export interface UnreadableLine {
  readonly why: string
}

export type TextLine = string | UnreadableLine

/**
 * Splits a file into lines, many at a time: a call for each line would cost more than to decide its check. A carriage return before
 * the newline, and a byte order mark at the start, are not part of a line. The newline after the last line is optional.
 */
export async function* textLines(file: AsyncIterable<Buffer>): AsyncGenerator<readonly TextLine[]> {
  const rest = new Rest()
  let isFirst = true
  for await (const bytes of file) {
    const end = bytes.lastIndexOf(NEWLINE)
    if (end === -1) {
      rest.add(bytes)
      continue
    }
    const lines = linesIn(rest.takeWith(bytes.subarray(0, end)))
    rest.add(bytes.subarray(end + 1))
    yield isFirst ? withoutMark(lines) : lines
    isFirst = false
  }
  const last = rest.takeWith(Buffer.alloc(0))
  if (last.length === 0) return
  const lines = linesIn(last)
  yield isFirst ? withoutMark(lines) : lines
}

/** The beginning of a line whose end has not arrived. Of one that is too long, only so much is kept that it shows. */
class Rest {
  #chunks: Buffer[] = []
  #length = 0

  add(bytes: Buffer): void {
    if (this.#length > MAX_LINE_BYTES || bytes.length === 0) return
    this.#chunks.push(bytes)
    this.#length += bytes.length
  }

  takeWith(bytes: Buffer): Buffer {
    const whole = this.#length === 0 ? bytes : Buffer.concat([...this.#chunks, bytes])
    this.#chunks = []
    this.#length = 0
    return whole
  }
}

function linesIn(bytes: Buffer): readonly TextLine[] {
  return isUtf8(bytes) ? bytes.toString('utf8').split(NEWLINE).map(lineOf) : splitLines(bytes).map(lineOfBytes)
}

function lineOf(text: string): TextLine {
  if (isTooLong(text)) return TOO_LONG
  return text.endsWith(CARRIAGE_RETURN) ? text.slice(0, -1) : text
}

/** Counts the bytes of long lines only. */
function isTooLong(text: string): boolean {
  return text.length * MAX_BYTES_PER_UNIT > MAX_LINE_BYTES && Buffer.byteLength(text) > MAX_LINE_BYTES
}

function lineOfBytes(bytes: Buffer): TextLine {
  return isUtf8(bytes) ? lineOf(bytes.toString('utf8')) : INVALID
}

const TOO_LONG: UnreadableLine = { why: `has more than ${MAX_LINE_BYTES} bytes` }
const INVALID: UnreadableLine = { why: 'is not valid UTF-8' }

function withoutMark(lines: readonly TextLine[]): readonly TextLine[] {
  const [first, ...others] = lines
  if (typeof first !== 'string' || !first.startsWith(BYTE_ORDER_MARK)) return lines
  return [first.slice(BYTE_ORDER_MARK.length), ...others]
}
