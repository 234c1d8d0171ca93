import { isUtf8 } from 'node:buffer'
import type { IncomingHttpHeaders } from 'node:http'
import { MAX_FIELDS } from './malformed-requests.ts'

/** Longest request that is read so, in bytes. Most have a few hundred. */
const MAX_BYTES = 4_096

/**
 * The fields of a head, each with its CRLF and without tabs. In Latin-1 each byte is a character.
 * @see https://www.rfc-editor.org/rfc/rfc9110#section-5
 */
const FIELDS = /^(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\x20-\x7e\x80-\xff]*\r\n)+$/

const SPACE = 0x20
const KEEP_ALIVE = 'keep-alive'
const END_OF_LINE = '\r\n'
const END_OF_HEAD = '\r\n\r\n'

/** Fields that the answer to a check can depend on. */
const READ = [
  'host',
  'connection',
  'content-length',
  'content-type',
  'authorization',
  'x-request-id',
  'x-forwarded-for',
] as const
type ReadField = (typeof READ)[number]

/** Fields that change how a request is read or answered. */
const REFUSED = ['transfer-encoding', 'content-encoding', 'expect', 'upgrade', 'proxy-connection'] as const

const KINDS = new Map<string, 'read' | 'refused'>([
  ...READ.map(name => [name, 'read'] as const),
  ...REFUSED.map(name => [name, 'refused'] as const),
])

export type PlainFields = Readonly<Fields>
type Fields = { [name in ReadField]?: string }

export interface PlainRequest {
  /** Each occurs once. */
  readonly fields: PlainFields
  /** Valid UTF-8. */
  readonly body: Buffer
}

/** Whether a request with these fields, which a complete parser has read, can be plain. */
export function canBePlain(fields: IncomingHttpHeaders): boolean {
  return REFUSED.every(name => fields[name] === undefined)
}

/**
 * Reads a request as most clients write it: a short one of HTTP/1.1 that has arrived whole and alone, with its Content-Length, on a
 * connection that stays open. Returns `undefined` for all other bytes, which are for a complete parser.
 * @param line the request line, with its CRLF
 * @see https://www.rfc-editor.org/rfc/rfc9112
 */
export function readPlainRequest(bytes: Buffer, line: string): PlainRequest | undefined {
  if (bytes.length > MAX_BYTES) return undefined
  const text = bytes.toString('latin1')
  if (!text.startsWith(line)) return undefined
  const endOfHead = text.indexOf(END_OF_HEAD, line.length)
  if (endOfHead === -1) return undefined
  const fields = readFields(text.slice(line.length, endOfHead + END_OF_LINE.length))
  const body = bytes.subarray(endOfHead + END_OF_HEAD.length)
  return fields !== undefined && isWhole(fields, body) && isUtf8(body) ? { fields, body } : undefined
}

/** The fields of a head that are read, unless one occurs twice or is refused. */
function readFields(head: string): Fields | undefined {
  if (!FIELDS.test(head)) return undefined
  const fields: Fields = {}
  let start = 0
  for (let count = 0; start < head.length; count++) {
    const colon = head.indexOf(':', start)
    const end = head.indexOf(END_OF_LINE, colon)
    const name = head.slice(start, colon).toLowerCase()
    const kind = KINDS.get(name)
    if (kind === 'refused' || count === MAX_FIELDS) return undefined
    if (kind === 'read') {
      if (fields[name as ReadField] !== undefined) return undefined
      fields[name as ReadField] = withoutSpace(head.slice(colon + 1, end))
    }
    start = end + END_OF_LINE.length
  }
  return fields
}

/** Without the spaces around a value, which do not belong to it. A regular expression would take time that grows with their square. */
function withoutSpace(value: string): string {
  let start = 0
  let end = value.length
  while (value.charCodeAt(start) === SPACE) start++
  while (end > start && value.charCodeAt(end - 1) === SPACE) end--
  return value.slice(start, end)
}

/** Whether the fields say that the body is complete, and that the connection stays open. */
function isWhole({ host, connection = KEEP_ALIVE, 'content-length': length }: Fields, body: Buffer): boolean {
  return host !== undefined && connection.toLowerCase() === KEEP_ALIVE && length === String(body.length)
}
