import { ProtocolError } from './protocol-error.ts'
import type { Words } from './words.ts'

const [NUL, TAB, CR, SPACE] = [0x00, 0x09, 0x0d, 0x20]
const [DOUBLE_QUOTE, SINGLE_QUOTE, BACKSLASH, LETTER_X] = [0x22, 0x27, 0x5c, 0x78]
const HEX_DIGITS: ReadonlyMap<number, number> = new Map(
  [...'0123456789abcdefABCDEF'].map(digit => [digit.charCodeAt(0), Number.parseInt(digit, 16)]),
)

/** The bytes of escaped letters. Any other character stands for itself. */
const ESCAPED_LETTERS: ReadonlyMap<number, number> = new Map(
  ['n\n', 'r\r', 't\t', 'b\b', 'a\x07'].map(pair => [pair.charCodeAt(0), pair.charCodeAt(1)]),
)

/**
 * Reads the words of an inline command, a line as people type it. In double quotes, a backslash escapes; in single quotes, only a single
 * quote. Strangers may send long lines, so nothing is allocated for a byte or a word.
 * @param line is overwritten by its words
 * @throws {ProtocolError} too many words; or unbalanced quotes, as in Redis
 * @see https://github.com/redis/redis/blob/7.2/src/sds.c, `sdssplitargs`
 */
export function readInlineWords(line: Buffer, words: Words, maxWords: number): void {
  words.begin(line)
  const reader = new LineReader(line)
  while (reader.findWord()) {
    if (words.count === maxWords) throw new ProtocolError('too big inline request')
    const start = reader.written
    reader.readWord()
    words.add(start, reader.written)
  }
}

/** Reads a line and writes its words to the same bytes: no word is longer than what it is read from. */
class LineReader {
  readonly #line: Buffer
  #at = 0
  #written = 0

  constructor(line: Buffer) {
    this.#line = line
  }

  get written(): number {
    return this.#written
  }

  /** Skips spaces. Returns whether a word follows. */
  findWord(): boolean {
    while (this.#at < this.#line.length && isSpace(this.#line[this.#at] as number)) this.#at++
    return this.#at < this.#line.length
  }

  readWord(): void {
    for (; this.#at < this.#line.length; this.#at++) {
      const byte = this.#line[this.#at] as number
      if (isSpace(byte)) return
      if (byte === DOUBLE_QUOTE || byte === SINGLE_QUOTE) {
        this.#readQuoted(byte)
        return
      }
      this.#line[this.#written++] = byte
    }
  }

  /** The rest of a word, from its opening quote on. Nothing may follow the closing one. */
  #readQuoted(quote: number): void {
    for (this.#at++; this.#at < this.#line.length; this.#at++) {
      const byte = this.#line[this.#at] as number
      if (byte === quote) {
        this.#endQuoted()
        return
      }
      this.#line[this.#written++] = byte === BACKSLASH ? this.#readEscape(quote) : byte
    }
    throw unbalancedQuotes()
  }

  #endQuoted(): void {
    this.#at++
    if (this.#at < this.#line.length && !isSpace(this.#line[this.#at] as number)) throw unbalancedQuotes()
  }

  /** Reads an escape, up to its last byte. */
  #readEscape(quote: number): number {
    const next = this.#line[this.#at + 1]
    if (next === undefined || (quote === SINGLE_QUOTE && next !== SINGLE_QUOTE)) return BACKSLASH
    this.#at++
    if (quote === SINGLE_QUOTE) return next
    return (next === LETTER_X ? this.#readHex() : ESCAPED_LETTERS.get(next)) ?? next
  }

  /** Reads two hexadecimal digits, if they follow. */
  #readHex(): number | undefined {
    const high = hexDigit(this.#line[this.#at + 1])
    const low = hexDigit(this.#line[this.#at + 2])
    if (high === undefined || low === undefined) return undefined
    this.#at += 2
    return high * 16 + low
  }
}

function isSpace(byte: number): boolean {
  return byte === SPACE || (byte >= TAB && byte <= CR) || byte === NUL
}

function hexDigit(byte: number | undefined): number | undefined {
  return byte === undefined ? undefined : HEX_DIGITS.get(byte)
}

function unbalancedQuotes(): ProtocolError {
  return new ProtocolError('unbalanced quotes in request')
}
