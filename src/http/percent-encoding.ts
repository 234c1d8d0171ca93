import type { FastifyRequest, preValidationHookHandler } from 'fastify'
import { cut } from '../lib/cut.ts'
import { type FieldError, validationProblem } from '../lib/errors.ts'

const MAX_SHOWN_CHARACTERS = 100

/** Refused as `cursor-invalid` by its route. */
const HAS_OWN_CODE = /^cursor=/

/** Whether a text is percent-encoded UTF-8. */
export function isPercentEncoded(text: string): boolean {
  try {
    decodeURIComponent(text)
    return true
  } catch {
    return false
  }
}

/**
 * Refuses a query that is not percent-encoded UTF-8, and names its malformed parameters. The parser would leave them as they are, so
 * two different queries could mean the same.
 */
export const refuseMalformedQuery: preValidationHookHandler = ({ url }: FastifyRequest, _reply, done) => {
  const faults = url.includes('%') ? malformedParameters(url) : []
  done(faults.length === 0 ? undefined : validationProblem(faults))
}

/** The faults of a query's parameters that are not percent-encoded UTF-8. */
export function malformedParameters(url: string): readonly FieldError[] {
  if (!url.includes('?')) return []
  return url
    .slice(url.indexOf('?') + 1)
    .split('&')
    .filter(parameter => !isPercentEncoded(parameter) && !HAS_OWN_CODE.test(parameter))
    .map(malformed)
}

function malformed(parameter: string): FieldError {
  const [name = '', ...value] = parameter.split('=')
  const message = `must be percent-encoded UTF-8, such as a%2Fb for a/b; was ${cut(value.join('='), MAX_SHOWN_CHARACTERS)}`
  return isPercentEncoded(name)
    ? { path: `/query/${decodeURIComponent(name)}`, message }
    : { path: '/query', message: `names must be percent-encoded UTF-8; one was ${cut(name, MAX_SHOWN_CHARACTERS)}` }
}
