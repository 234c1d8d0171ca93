import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

const ALLOWED = /^[A-Za-z0-9._-]{1,128}$/

/** The caller's request id, if it may be repeated in logs and answers; else a new one. */
export function requestIdOf({ headers }: Pick<IncomingMessage, 'headers'>): string {
  const given = headers['x-request-id']
  return typeof given === 'string' && ALLOWED.test(given) ? given : randomUUID()
}
