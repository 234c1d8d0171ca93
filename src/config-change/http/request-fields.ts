import type { IncomingHttpHeaders } from 'node:http'
import { reasonProblem } from '../../domain/change-reason.ts'
import type { Conditions, PolicyTag } from '../../domain/commands.ts'
import { validationProblem } from '../../lib/errors.ts'

const MAX_WAIT_SECONDS = 60
/** One preference of a list. A quoted string may contain commas; one that does not end takes the rest, so that time is linear. */
const PREFERENCE = /(?:[^",]|"(?:[^"\\]|\\.?)*(?:"|$))+/g
/** `wait=5`, with or without quotes, before any parameters. */
const WAIT = /^\s*wait\s*=\s*(?:([0-9]+)|"([0-9]+)")\s*(?:;|$)/i
/** Entity tags are compared as texts, so `"01"` is not `"1"`: no policy ever has it. */
const ENTITY_TAG = /"(0|[1-9][0-9]*)(-ended)?"/g
const ENTITY_TAGS = new RegExp(`^\\s*${ENTITY_TAG.source}\\s*(?:,\\s*${ENTITY_TAG.source}\\s*)*$`)

/**
 * How long the caller would wait for the outcome, in ms; 0 without a valid `Prefer: wait`.
 * @see https://www.rfc-editor.org/rfc/rfc7240#section-4.3 Prefer: wait
 */
export function preferredWaitMs({ prefer }: IncomingHttpHeaders): number {
  const preferences = [prefer ?? []].flat().join(',').match(PREFERENCE) ?? []
  const [, plain, quoted] = preferences.map(preference => WAIT.exec(preference)).find(found => found !== null) ?? []
  return Math.min(Number(plain ?? quoted ?? 0), MAX_WAIT_SECONDS) * 1000
}

/**
 * The conditions of a change.
 * @see https://www.rfc-editor.org/rfc/rfc9110#section-13.1
 * @throws {Problem} `validation-failed`
 */
export function conditionsOf(headers: IncomingHttpHeaders): Conditions | undefined {
  const ifMatch = headers['if-match']
  const ifNoneMatch = headers['if-none-match']
  if (ifMatch === undefined && ifNoneMatch === undefined) return undefined
  if (ifNoneMatch !== undefined && ifNoneMatch.trim() !== '*') {
    throw validationProblem([{ path: '/headers/if-none-match', message: `was ${ifNoneMatch}; only * is allowed` }])
  }
  return {
    ...(ifMatch !== undefined && { ifMatch: tagsOf(ifMatch) }),
    ...(ifNoneMatch !== undefined && { ifNoneMatch: '*' as const }),
  }
}

/** A number that is too large for a version matches none. */
function tagsOf(ifMatch: string): readonly PolicyTag[] | '*' {
  if (ifMatch.trim() === '*') return '*'
  if (ENTITY_TAGS.test(ifMatch)) return Array.from(ifMatch.matchAll(ENTITY_TAG)).flatMap(tagOf)
  const message = `was ${ifMatch}; versions such as "3", "4", "2-ended" or * are allowed`
  throw validationProblem([{ path: '/headers/if-match', message }])
}

function tagOf([, digits, ended]: RegExpExecArray): readonly PolicyTag[] {
  const version = Number(digits)
  if (!Number.isSafeInteger(version)) return []
  return [ended === undefined ? version : `${version}-ended`]
}

/**
 * The reason of a change, which its event records. Node decodes header fields as Latin-1, so UTF-8 is restored here.
 * @throws {Problem} `validation-failed`
 */
export function changeReason(headers: IncomingHttpHeaders): string | undefined {
  const raw = headers['x-change-reason']
  if (raw === undefined) return undefined
  const reason = Buffer.from(String(raw), 'latin1').toString('utf8')
  const message = reasonProblem(reason)
  if (message === undefined) return reason
  throw validationProblem([{ path: '/headers/x-change-reason', message }])
}
