import { Problem } from '../../lib/errors.ts'
import { BYTE_ORDER_MARK, splitLines } from '../../lib/split-lines.ts'

export const NDJSON = 'application/x-ndjson'

const MARK = Buffer.from(BYTE_ORDER_MARK)

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
 * @throws {Problem} `import-invalid` if a line is too long, after the lines before it
 */
export async function* linesOf(file: AsyncIterable<Buffer>): AsyncGenerator<readonly Line[]> {
  let number = 0
  let rest: Buffer = Buffer.alloc(0)
  for await (const bytes of file) {
    const [first = bytes, ...others] = splitLines(bytes)
    const parts = [join(rest, first), ...others]
    rest = parts.pop() ?? rest
    const long = [...parts, rest].findIndex(({ length }) => length > MAX_LINE_BYTES)
    const lines = long === -1 ? parts : parts.slice(0, long)
    yield lines.map(line => lineOf(++number, line))
    if (long !== -1) throw importInvalid(number + 1, `it has more than ${MAX_LINE_BYTES} bytes`)
  }
  const last = lineOf(number + 1, rest)
  if (last.bytes.length > 0) yield [last]
}

function lineOf(number: number, bytes: Buffer): Line {
  const isMarked = number === 1 && bytes.subarray(0, MARK.length).equals(MARK)
  return { number, bytes: isMarked ? bytes.subarray(MARK.length) : bytes }
}

function join(a: Buffer, b: Buffer): Buffer {
  return a.length === 0 ? b : Buffer.concat([a, b])
}

export function importInvalid(line: number, why: string, members: Readonly<Record<string, unknown>> = {}): Problem {
  return new Problem('import-invalid', `line ${line} is invalid, so nothing was imported: ${why}`, {
    members: { line, ...members },
    cause: why,
  })
}
