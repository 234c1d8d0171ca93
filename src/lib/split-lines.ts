const NEWLINE = 0x0a

/** A byte order mark, which some editors write at the start of a file. */
export const BYTE_ORDER_MARK = '\uFEFF'

/** The lines in these bytes, without their newlines. The last one is what follows the last newline, perhaps nothing. */
export function splitLines(bytes: Buffer): readonly Buffer[] {
  const lines: Buffer[] = []
  let from = 0
  for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, from)) {
    lines.push(bytes.subarray(from, end))
    from = end + 1
  }
  return [...lines, bytes.subarray(from)]
}
