import { Problem, validationProblem } from '../errors.ts'

const MAX_DEPTH = 8

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d

/**
 * Finds JSON that would be too expensive to parse and validate: a few megabytes of brackets or commas keep a process busy for a
 * second and take half a gigabyte. Reads bytes in one pass, about a nanosecond each; whatever is not JSON is left to the parser,
 * which stops at the first byte that is wrong.
 * @param maxElements members and items, at all levels together
 */
export function jsonBoundsProblem(bytes: Uint8Array, maxElements: number): Problem | undefined {
  let depth = 0
  let elements = 0
  for (let i = 0; i < bytes.length; i++) {
    switch (bytes[i]) {
      case QUOTE:
        i = endOfString(bytes, i)
        break
      case OPEN_BRACKET:
      case OPEN_BRACE:
        if (++depth > MAX_DEPTH) return tooDeep()
        if (++elements > maxElements) return tooManyElements(maxElements)
        break
      case CLOSE_BRACKET:
      case CLOSE_BRACE:
        depth--
        break
      case COMMA:
        if (++elements > maxElements) return tooManyElements(maxElements)
    }
  }
  return undefined
}

/** The index of the quote that ends the string which begins at `start`. */
function endOfString(bytes: Uint8Array, start: number): number {
  let i = start + 1
  for (; i < bytes.length && bytes[i] !== QUOTE; i++) if (bytes[i] === BACKSLASH) i++
  return i
}

function tooDeep(): Problem {
  return new Problem('body-malformed', `the body is nested more deeply than the ${MAX_DEPTH} levels allowed`)
}

function tooManyElements(max: number): Problem {
  return validationProblem([
    { path: '', message: `has more than ${max} members and items, which is all that is allowed` },
  ])
}
