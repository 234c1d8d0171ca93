const CRLF = '\r\n'

/**
 * Counts the replies in bytes that the store wrote, in RESP2 or RESP3. An incomplete reply counts; a push message does not.
 * @see https://valkey.io/topics/protocol/
 */
export function countReplies(bytes: Buffer): number {
  let count = 0
  for (let at = 0; at < bytes.length; at = endOf(bytes, at)) {
    if (String.fromCharCode(bytes[at] as number) !== '>') count++
  }
  return count
}

/** The end of the value that starts at `start`. */
function endOf(bytes: Buffer, start: number): number {
  const lineEnd = bytes.indexOf(CRLF, start)
  if (lineEnd === -1) return bytes.length
  const size = Number(bytes.toString('latin1', start + 1, lineEnd))
  const next = lineEnd + CRLF.length
  switch (String.fromCharCode(bytes[start] as number)) {
    case '$':
    case '=':
    case '!':
      return size < 0 ? next : next + size + CRLF.length
    case '*':
    case '~':
    case '>':
      return endOfMany(bytes, next, size)
    case '%':
      return endOfMany(bytes, next, 2 * size)
    default:
      return next
  }
}

function endOfMany(bytes: Buffer, start: number, count: number): number {
  let at = start
  for (let i = 0; i < count && at < bytes.length; i++) at = endOf(bytes, at)
  return at
}
