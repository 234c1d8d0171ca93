import { Problem, validationProblem } from './errors.ts'

const MAX_DEPTH = 8

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d

/**
 * Finds JSON that is too expensive to parse and validate: a few megabytes of brackets or commas keep a process busy for a second
 * and take half a gigabyte. Scans the bytes as they arrive, in about a nanosecond each. Invalid JSON is left to the parser, which
 * stops at the first wrong byte.
 */
export class JsonBounds {
  readonly #maxElements: number
  #depth = 0
  #elements = 0
  #isInString = false
  #isEscaped = false

  /** @param maxElements members and items of all levels together */
  constructor(maxElements: number) {
    this.#maxElements = maxElements
  }

  /** Members and items so far. */
  get elements(): number {
    return this.#elements
  }

  /** The problem of the text up to and including these bytes. */
  problemOf(bytes: Uint8Array): Problem | undefined {
    for (let i = this.#isInString ? this.#endOfString(bytes, 0) : 0; i < bytes.length; i++) {
      switch (bytes[i]) {
        case QUOTE:
          i = this.#endOfString(bytes, i + 1)
          break
        case OPEN_BRACKET:
        case OPEN_BRACE:
          if (++this.#depth > MAX_DEPTH) return tooDeep()
          if (++this.#elements > this.#maxElements) return tooManyElements(this.#maxElements)
          break
        case CLOSE_BRACKET:
        case CLOSE_BRACE:
          this.#depth--
          break
        case COMMA:
          if (++this.#elements > this.#maxElements) return tooManyElements(this.#maxElements)
      }
    }
    return undefined
  }

  /** The index of the quote that ends the string which continues at `start`, or the length if it does not end here. */
  #endOfString(bytes: Uint8Array, start: number): number {
    let i = this.#isEscaped ? start + 1 : start
    for (; i < bytes.length && bytes[i] !== QUOTE; i++) if (bytes[i] === BACKSLASH) i++
    this.#isInString = i >= bytes.length
    this.#isEscaped = i > bytes.length
    return i
  }
}

function tooDeep(): Problem {
  return new Problem('body-malformed', `the JSON is nested more deeply than the ${MAX_DEPTH} levels allowed`)
}

function tooManyElements(max: number): Problem {
  return validationProblem([
    { path: '', message: `has more than ${max} members and items; at most ${max} are allowed` },
  ])
}
