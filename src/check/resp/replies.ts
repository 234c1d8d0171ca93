/**
 * Replies as they are sent. Each is a string of bytes, as the characters U+0000 to U+00FF, so that those of a batch are joined and
 * written at once.
 * @see https://redis.io/docs/latest/develop/reference/protocol-spec/
 */
import type { Problem } from '../../lib/errors.ts'

/** The version of the protocol that a client has chosen with HELLO. */
export type Protocol = 2 | 3

export const OK = '+OK\r\n'

/** Control characters of ASCII: the end of a line would end an error. Bytes above them are those of UTF-8. */
const CONTROL = /[^ -~\u0080-\u00ff]/g

export function simple(text: string): string {
  return `+${text}\r\n`
}

export function integer(value: number): string {
  return `:${value}\r\n`
}

/** @param bytes as characters */
export function bulk(bytes: string): string {
  return `$${bytes.length}\r\n${bytes}\r\n`
}

/** A text of any characters. */
export function text(value: string): string {
  return bulk(bytesOf(value))
}

export function nothing(protocol: Protocol): string {
  return protocol === 3 ? '_\r\n' : '$-1\r\n'
}

/** @param items replies */
export function array(items: readonly string[]): string {
  return `*${items.length}\r\n${items.join('')}`
}

/** In RESP2, an array. @param items replies */
export function set(protocol: Protocol, items: readonly string[]): string {
  return protocol === 3 ? `~${items.length}\r\n${items.join('')}` : array(items)
}

/** In RESP2, an array of names and values in turn. @param values replies */
export function map(protocol: Protocol, values: Readonly<Record<string, string>>): string {
  const entries = Object.entries(values)
  const head = protocol === 3 ? `%${entries.length}\r\n` : `*${2 * entries.length}\r\n`
  return head + entries.map(([name, value]) => bulk(name) + value).join('')
}

/** @param message begins with a code, such as `ERR` */
export function error(message: string): string {
  return binaryError(bytesOf(message))
}

/** @param message as bytes */
export function binaryError(message: string): string {
  return `-${message.replace(CONTROL, ' ')}\r\n`
}

/** An error of the catalogue, with its code in capitals. */
export function problemReply({ code, detail }: Problem): string {
  return error(`${code.toUpperCase()} ${detail}`)
}

function bytesOf(value: string): string {
  return Buffer.from(value).toString('latin1')
}
