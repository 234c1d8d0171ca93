import { ProtocolError } from './protocol-error.ts'
import type { Words } from './words.ts'

/** A client sent an HTTP request. Its body can hold commands, and a page in a browser can choose it. */
export class HttpRequest extends ProtocolError {
  constructor() {
    super('this port speaks RESP, not HTTP')
  }
}

/**
 * Whether an inline command is a line of an HTTP request: its first one, or `Host:`, which every head has. `POST` alone counts, as in
 * Redis.
 * @see https://github.com/redis/redis/blob/7.2/src/networking.c, `securityWarningCommand`
 */
export function isOfHttpRequest(words: Words): boolean {
  const name = words.name(0)
  if (name === 'post' || name === 'host:') return true
  return words.count === 3 && words.binary(1).startsWith('/') && words.binary(2).startsWith('HTTP/1.')
}
