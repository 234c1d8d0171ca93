/** The most common form of a line: `{"at":"2026-01-31T14:03:00.120Z","key":"user:42","tokens":1}`, also without `tokens`. */
import { MAX_COUNT } from '../domain/limits/limit-fault.ts'

const HEAD = '{"at":"'
const AT_LENGTH = '2026-01-31T14:03:00.120Z'.length
const AFTER_AT = '","key":"'
const KEY_AT = HEAD.length + AT_LENGTH + AFTER_AT.length
const BEFORE_TOKENS = ',"tokens":'

/** Printable ASCII that JSON does not escape. */
const PLAIN_KEY = /^[ !#-[\]-~]{1,256}$/
const TOKENS = /^(0|[1-9]\d{0,9})$/

/** What the members of a line are, except that `at` is not validated. */
export interface PlainLine {
  readonly at: string
  /** Part of the line: whoever keeps it also keeps the line in memory. */
  readonly key: string
  readonly tokens: number
}

/** Reads a line several times as fast as `JSON.parse`. Returns `undefined` if it has another form, or if it is bad. */
export function readPlainLine(line: string): PlainLine | undefined {
  if (!line.startsWith(HEAD) || !line.startsWith(AFTER_AT, HEAD.length + AT_LENGTH)) return undefined
  const keyEnd = line.indexOf('"', KEY_AT)
  const tokens = tokensAt(line, keyEnd + 1)
  const key = line.slice(KEY_AT, keyEnd)
  if (keyEnd === -1 || tokens === undefined || !PLAIN_KEY.test(key)) return undefined
  return { at: line.slice(HEAD.length, HEAD.length + AT_LENGTH), key, tokens }
}

function tokensAt(line: string, from: number): number | undefined {
  const end = line.length - 1
  if (line[end] !== '}') return undefined
  if (from === end) return 1
  if (!line.startsWith(BEFORE_TOKENS, from)) return undefined
  const text = line.slice(from + BEFORE_TOKENS.length, end)
  return TOKENS.test(text) && Number(text) <= MAX_COUNT ? Number(text) : undefined
}
