/** Access logs in common formats, read as recorded checks. */
import { isObject } from '../lib/is-object.ts'
import { LineFault } from './line-fault.ts'

/** The fields of one line, by name. A field that the line does not have is `undefined`. */
export interface LoggedRequest {
  /** As the log writes it. */
  readonly at: unknown
  field(name: string): unknown
}

/** Reads one line. @throws {LineFault} */
export type LogFormat = (line: string) => LoggedRequest

/**
 * Address, user, time, request, status, bytes; what follows, such as referrer and browser, is not read. A client can choose its
 * user name, with spaces and brackets; servers escape its quotes, and Apache writes `""` for an empty one.
 */
const COMBINED = /^(\S+) \S+ (""|(?:\\"|[^"])*?) \[([^\][]+)\] "((?:[^"\\]|\\.)*)" (\d{3}) (\d+|-)/
const REQUEST_LINE = /^(\S+) (\S+)/

/** Fields of `combined`, named as nginx names its variables. */
export const COMBINED_FIELDS = ['remote_addr', 'remote_user', 'method', 'path', 'status', 'bytes'] as const

/**
 * The format `combined` of nginx and Apache, and `common`, which is its beginning.
 * @see https://nginx.org/en/docs/http/ngx_http_log_module.html
 */
export const combinedFormat: LogFormat = line => {
  const match = COMBINED.exec(line)
  if (match === null) throw new LineFault('is not a line of the format "combined"')
  const [, remote_addr, remote_user, time = '', request = '', status, bytes] = match
  const [, method, target] = REQUEST_LINE.exec(request) ?? []
  const fields: Record<string, string | undefined> = {
    remote_addr,
    remote_user: remote_user === '-' ? undefined : remote_user,
    method,
    path: target?.split('?', 1)[0],
    status,
    bytes: bytes === '-' ? '0' : bytes,
  }
  return { at: timeOf(time), field: name => (Object.hasOwn(fields, name) ? fields[name] : undefined) }
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
/** Such as `31/Jan/2026:14:03:00 +0100`. */
const TIME = /^(\d\d)\/([A-Z][a-z]{2})\/(\d{4}):(\d\d:\d\d:\d\d) ([+-]\d\d)(\d\d)$/

/** As RFC 3339. Another text stays as it is, and is refused as a time. */
function timeOf(text: string): string {
  const match = TIME.exec(text)
  if (match === null) return text
  const [, day, month = '', year, time, hours, minutes] = match
  return `${year}-${String(MONTHS.indexOf(month) + 1).padStart(2, '0')}-${day}T${time}${hours}:${minutes}`
}

/** One JSON object a line. A dot in a name leads into an object: `request.path`. @param at names the member with the time */
export function jsonFormat(at: string): LogFormat {
  return line => {
    const value = parse(line)
    return { at: timeIn(memberOf(value, at)), field: name => memberOf(value, name) }
  }
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch (err) {
    throw new LineFault(`is not valid JSON: ${(err as Error).message}`)
  }
}

function memberOf(value: unknown, name: string): unknown {
  if (isObject(value) && Object.hasOwn(value, name)) return (value as Record<string, unknown>)[name]
  const dot = name.indexOf('.')
  if (dot === -1 || !isObject(value)) return undefined
  return memberOf((value as Record<string, unknown>)[name.slice(0, dot)], name.slice(dot + 1))
}

/** A number below this is a time in seconds: in ms it would be in 1973. */
const FIRST_MS = 100_000_000_000
const SECONDS = /^\d{1,11}(\.\d+)?$/

/** Programs log seconds as well as ms since 1970, as numbers and as text. */
function timeIn(value: unknown): unknown {
  const number = typeof value === 'string' && SECONDS.test(value) ? Number(value) : value
  return typeof number === 'number' && number < FIRST_MS ? Math.floor(number * 1000 + 1e-4) : number
}
