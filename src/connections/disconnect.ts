import type { Socket } from 'node:net'

/** Node's name for the function of a parser that takes a part of a body. */
const TAKE_BODY = 3

/** Undocumented members of a connection. */
interface ParserInternals {
  readonly parser?: {
    /** Handles the head of a request, and returns how to continue. */
    onIncoming: () => number
    [TAKE_BODY]: (() => void) | undefined
  } | null
}

/** Tells the parser that the remaining bytes are not HTTP, as after an upgrade, so it ignores them. */
const NOT_HTTP = 2

/**
 * Closes a connection and ignores what it has sent. Otherwise Node would handle every request and every chunk of a body in the bytes
 * that it has read, which can be ten thousand.
 */
export function disconnect(connection: Socket): void {
  connection.destroy()
  const { parser } = connection as ParserInternals
  const takeBody = parser?.[TAKE_BODY]
  if (!parser || !takeBody) return
  parser.onIncoming = () => NOT_HTTP
  parser[TAKE_BODY] = undefined
  // Node keeps this member when it uses the parser for another connection.
  setImmediate(() => {
    parser[TAKE_BODY] = takeBody
  })
}
