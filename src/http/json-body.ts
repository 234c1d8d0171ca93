import { isAscii, isUtf8, transcode } from 'node:buffer'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Problem } from '../lib/errors.ts'
import { JsonBounds } from '../lib/json-bounds.ts'
import type { ArrivingBodies } from './arriving-bodies.ts'
import { inUtf8 } from './media-type.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** A request without a body is valid. */
    bodyIsOptional?: boolean
  }
}

const JSON_IN_UTF8 = inUtf8('application/json')
const MANY_BYTES = 64 * 1024
const BYTE_ORDER_MARK = '\uFEFF'

export interface JsonBodyOptions {
  readonly bodies: ArrivingBodies
  readonly maxBytes: number
  /** Members and items of all levels together. */
  readonly maxElements: number
}

/**
 * Accepts only uncompressed JSON in UTF-8. Invalid UTF-8 is refused, not replaced, since two keys could become the same. The
 * schemas refuse members such as `__proto__`, since they allow no unknown members.
 */
export function acceptOnlyJson(app: FastifyInstance, options: JsonBodyOptions): void {
  const { bodies, maxBytes, maxElements } = options
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(JSON_IN_UTF8, (request, _payload, done) => {
    const problem = compressionFault(request)
    if (problem !== undefined) {
      done(problem)
      return
    }
    bodies.read(request, { maxBytes, scan: new JsonBounds(maxElements) }, (err, bytes) => {
      if (bytes === undefined) done(err)
      else if (bytes.length === 0 && needsNoBody(request)) done(null)
      else {
        const { value, problem = null } = parse(bytes)
        done(problem, value)
      }
    })
  })
}

function needsNoBody({ method, routeOptions }: FastifyRequest): boolean {
  return method === 'DELETE' || routeOptions.config.bodyIsOptional === true
}

interface Parsed {
  readonly value?: unknown
  readonly problem?: Problem
}

function parse(bytes: Buffer): Parsed {
  if (bytes.length === 0) return { problem: emptyBody() }
  if (!isUtf8(bytes)) return { problem: malformed('the body is not valid UTF-8') }
  const text = decoded(bytes)
  if (text.startsWith(BYTE_ORDER_MARK)) {
    return {
      problem: malformed('the body starts with a byte order mark, which JSON does not allow (RFC 8259, section 8.1)'),
    }
  }
  try {
    return { value: JSON.parse(text) }
  } catch (err) {
    return { problem: malformed(`the body is not JSON: ${(err as SyntaxError).message}`) }
  }
}

/** Decodes valid UTF-8. V8 takes ten times as long as ICU for long text that is not all ASCII. */
function decoded(bytes: Buffer): string {
  if (bytes.length <= MANY_BYTES) return bytes.toString('utf8')
  return isAscii(bytes) ? bytes.toString('latin1') : transcode(bytes, 'utf8', 'ucs2').toString('ucs2')
}

function malformed(detail: string): Problem {
  return new Problem('body-malformed', detail)
}

export function emptyBody(): Problem {
  return malformed('the body is empty; JSON is expected')
}

/** The problem of a compressed body. */
export function compressionFault({ headers }: FastifyRequest): Problem | undefined {
  const encoding = headers['content-encoding']
  if (encoding === undefined || encoding.toLowerCase() === 'identity') return undefined
  return new Problem('media-type-unsupported', `the Content-Encoding is ${encoding}; send the body uncompressed`)
}
