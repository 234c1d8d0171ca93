import { randomBytes } from 'node:crypto'
import { copyOf } from '../lib/copy-of.ts'

const ALLOWED = /^[A-Za-z0-9._-]{1,128}$/

/** Distinguishes the requests of this process from those of all others. */
const PROCESS_ID = randomBytes(8).toString('hex')
let requests = 0

/** The caller's request id if it is safe to log and to return, else a new one. */
export function requestIdOf({ headers }: { readonly headers: Readonly<Record<string, unknown>> }): string {
  const given = headers['x-request-id']
  if (typeof given === 'string' && ALLOWED.test(given)) return copyOf(given)
  requests++
  return `${PROCESS_ID}-${requests}`
}
