import { isObject } from './read-decision.ts'
import { ServiceError } from './service-error.ts'

/** Errors of connections that were never opened. */
const NEVER_SENT: readonly unknown[] = ['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOTFOUND', 'EAI_AGAIN']

/** Codes of a 503 with which the service refuses a request before it asks the bucket store. */
const REFUSED_AT_ONCE: readonly unknown[] = ['overloaded', 'draining']

/** Whether sending the same again may help. A value that cannot be written as JSON is a TypeError without a cause. */
export function isTemporary(failure: unknown): boolean {
  if (failure instanceof ServiceError) return failure.status >= 500
  return !(isObject(failure) && failure['name'] === 'TypeError') || isDisconnection(failure)
}

/** Of all errors of `fetch`, only that of a connection has a cause. */
export function isDisconnection(failure: unknown): boolean {
  return causeOf(failure) !== undefined
}

/**
 * Whether the request that failed in this way cannot have changed anything: it was never sent, or was refused before the
 * bucket store was asked. After any other failure, such as 503 `store-unavailable`, the request may have been executed.
 */
export function isWithoutEffect(failure: unknown): boolean {
  if (failure instanceof ServiceError && REFUSED_AT_ONCE.includes(failure.code)) return true
  return !isTemporary(failure) || NEVER_SENT.includes(codeOfCause(failure))
}

function codeOfCause(failure: unknown): unknown {
  const cause = causeOf(failure)
  return isObject(cause) ? cause['code'] : undefined
}

function causeOf(failure: unknown): unknown {
  return isObject(failure) ? failure['cause'] : undefined
}
