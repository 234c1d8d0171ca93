import { isUtf8 } from 'node:buffer'

const NOTHING = Buffer.alloc(0)
const [ZERO, NINE, MINUS] = [0x30, 0x39, 0x2d]

/** More digits could exceed 2^53. */
const MAX_DIGITS = 15

/** The longest name of a command or an option. */
const MAX_NAME_BYTES = 32

/** Places that are kept for the next command: more than any command of this service has words. */
const MAX_KEPT_PLACES = 64

/** Memory of the place of a word: its start and its end. */
const BYTES_PER_PLACE = 16

/**
 * The words of one command: its name and its arguments, as places in the bytes that arrived. One object serves all commands of a
 * connection, so nothing is allocated for a word that nobody reads. They are valid until the next command is read or `release` is called.
 */
export class Words {
  #bytes: Buffer = NOTHING
  readonly #starts: number[] = []
  readonly #ends: number[] = []
  #count = 0

  /** The name included. */
  get count(): number {
    return this.#count
  }

  /** Begins another command, whose words are in these bytes. */
  begin(bytes: Buffer): void {
    this.#bytes = bytes
    this.#count = 0
  }

  /** Memory of the places. */
  get heldBytes(): number {
    return this.#count * BYTES_PER_PLACE
  }

  /** Lets go of the bytes, and of the memory of many places. */
  release(): void {
    this.begin(NOTHING)
    if (this.#starts.length <= MAX_KEPT_PLACES) return
    this.#starts.length = 0
    this.#ends.length = 0
  }

  add(start: number, end: number): void {
    this.#starts[this.#count] = start
    this.#ends[this.#count] = end
    this.#count++
  }

  /** The words were copied to another buffer. @param places how much nearer to its start they are there */
  moveTo(bytes: Buffer, places: number): void {
    this.#bytes = bytes
    for (let i = 0; i < this.#count; i++) {
      this.#starts[i] = this.#startOf(i) - places
      this.#ends[i] = this.#endOf(i) - places
    }
  }

  /** A name of a command or an option, in lower case; empty if it is longer than any name. */
  name(index: number): string {
    if (this.#endOf(index) - this.#startOf(index) > MAX_NAME_BYTES) return ''
    return this.binary(index).toLowerCase()
  }

  /** The bytes of a word, as the characters U+0000 to U+00FF. */
  binary(index: number): string {
    return this.#bytes.toString('latin1', this.#startOf(index), this.#endOf(index))
  }

  /** A text; `undefined` if the word is not valid UTF-8. */
  text(index: number): string | undefined {
    const [start, end] = [this.#startOf(index), this.#endOf(index)]
    if (this.#isAscii(start, end)) return this.#bytes.toString('latin1', start, end)
    return isUtf8(this.#bytes.subarray(start, end)) ? this.#bytes.toString('utf8', start, end) : undefined
  }

  /** An integer in its shortest form; `undefined` for anything else. */
  integer(index: number): number | undefined {
    return integerIn(this.#bytes, this.#startOf(index), this.#endOf(index))
  }

  #isAscii(start: number, end: number): boolean {
    for (let i = start; i < end; i++) if ((this.#bytes[i] as number) > 0x7f) return false
    return true
  }

  #startOf(index: number): number {
    return this.#starts[index] as number
  }

  #endOf(index: number): number {
    return this.#ends[index] as number
  }
}

/** The integer that these bytes are in its shortest form, without a plus sign or leading zeros; `undefined` for anything else. */
export function integerIn(bytes: Buffer, start: number, end: number): number | undefined {
  const isNegative = bytes[start] === MINUS
  const first = isNegative ? start + 1 : start
  const digits = end - first
  if (digits < 1 || digits > MAX_DIGITS) return undefined
  if (bytes[first] === ZERO && (digits > 1 || isNegative)) return undefined
  let value = 0
  for (let i = first; i < end; i++) {
    const byte = bytes[i] as number
    if (byte < ZERO || byte > NINE) return undefined
    value = value * 10 + byte - ZERO
  }
  return isNegative ? -value : value
}
