import { Problem } from '../../lib/errors.ts'

export const NDJSON = 'application/x-ndjson'

const NEWLINE = 0x0a

/** A byte order mark, which some editors write at the start of a file. */
const BYTE_ORDER_MARK = Buffer.from('\uFEFF')

/** In bytes; no policy is longer. */
const MAX_LINE_BYTES = 65_536

export interface Line {
  /** From 1. */
  readonly number: number
  readonly bytes: Buffer
}

/**
 * Splits a file into lines. The newline after the last line is optional. A byte order mark at the start is skipped.
 * @see https://github.com/ndjson/ndjson-spec
 * @throws {Problem} `import-invalid` if a line is too long
 */
export async function* linesOf(file: AsyncIterable<Buffer>): AsyncGenerator<readonly Line[]> {
  let number = 0
  let rest: Buffer = Buffer.alloc(0)
  for await (const bytes of file) {
    const lines: Line[] = []
    let from = 0
    for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, from)) {
      number++
      lines.push(lineOf(number, checkLength(number, join(rest, bytes.subarray(from, end)))))
      rest = Buffer.alloc(0)
      from = end + 1
    }
    rest = checkLength(number + 1, join(rest, bytes.subarray(from)))
    yield lines
  }
  const last = lineOf(number + 1, rest)
  if (last.bytes.length > 0) yield [last]
}

function lineOf(number: number, bytes: Buffer): Line {
  const isMarked = number === 1 && bytes.subarray(0, BYTE_ORDER_MARK.length).equals(BYTE_ORDER_MARK)
  return { number, bytes: isMarked ? bytes.subarray(BYTE_ORDER_MARK.length) : bytes }
}

function join(a: Buffer, b: Buffer): Buffer {
  return a.length === 0 ? b : Buffer.concat([a, b])
}

function checkLength(line: number, bytes: Buffer): Buffer {
  if (bytes.length <= MAX_LINE_BYTES) return bytes
  throw importInvalid(line, `it has more than ${MAX_LINE_BYTES} bytes`)
}

export function importInvalid(line: number, why: string, members: Readonly<Record<string, unknown>> = {}): Problem {
  return new Problem('import-invalid', `line ${line} is invalid, so nothing was imported: ${why}`, {
    members: { line, ...members },
    cause: why,
  })
}
