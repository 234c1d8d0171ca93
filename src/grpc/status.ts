import type { ErrorCode, Problem } from '../lib/errors.ts'

/** The statuses that calls end with, with their numbers. @see https://grpc.io/docs/guides/status-codes/ */
export const STATUSES = {
  OK: 0,
  INVALID_ARGUMENT: 3,
  NOT_FOUND: 5,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  UNAUTHENTICATED: 16,
} as const
export type StatusName = keyof typeof STATUSES

/** How a call ends. */
export interface Status {
  readonly name: StatusName
  readonly message: string
}

export const OK: Status = { name: 'OK', message: '' }

const STATUS_OF_CODE: Partial<Record<ErrorCode, StatusName>> = {
  'validation-failed': 'INVALID_ARGUMENT',
  unauthorized: 'UNAUTHENTICATED',
  'too-many-failed-logins': 'UNAUTHENTICATED',
  forbidden: 'PERMISSION_DENIED',
  'store-unavailable': 'UNAVAILABLE',
  overloaded: 'UNAVAILABLE',
  draining: 'UNAVAILABLE',
}

export function statusOf({ code, detail }: Problem): Status {
  return { name: STATUS_OF_CODE[code] ?? 'INTERNAL', message: detail }
}

/** Characters of a message that a client gets. */
const MAX_MESSAGE = 1_000

/** The fields that end a call. */
export function statusFields({ name, message }: Status): Record<string, string> {
  const fields = { 'grpc-status': String(STATUSES[name]) }
  return message === '' ? fields : { ...fields, 'grpc-message': encodedMessage(message.slice(0, MAX_MESSAGE)) }
}

/** @see https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md, `Percent-Encoded` */
function encodedMessage(message: string): string {
  const bytes = Buffer.from(message)
  return Array.from(bytes, byte => {
    if (byte >= 0x20 && byte <= 0x7e && byte !== 0x25) return String.fromCharCode(byte)
    return `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }).join('')
}
