/** A check as it was recorded: one line of JSON in a file of traffic. */

import { callerKeyFault, policyNameFault } from '../domain/key.ts'
import { MAX_COUNT } from '../domain/limits/limit-fault.ts'
import { LineFault } from './line-fault.ts'
import { readPlainLine } from './plain-line.ts'
import { RecordedTimes } from './recorded-times.ts'

export interface RecordedCheck {
  /** In ms since 1970. */
  readonly atMs: number
  readonly key: string
  readonly tokens: number
  /** The config key of the policy that the caller named. */
  readonly policy: string | undefined
}

/** The members of a line, not validated. */
export type CheckMembers = { readonly [Member in 'at' | 'key' | 'tokens' | 'policy']?: unknown }

/** Reads lines such as `{"at":"2026-01-31T14:03:00.120Z","key":"user:42","tokens":1,"policy":"plan:gold"}`. */
export class RecordedChecks {
  readonly #times = new RecordedTimes()
  readonly #timeForms: string

  /** @param timeForms the forms of `at` that the source of the members allows, for messages */
  constructor(timeForms = 'an RFC 3339 time or milliseconds since 1970') {
    this.#timeForms = timeForms
  }

  /** The key may be a part of the line: `detached` keeps it without the line. @throws {LineFault} */
  parse(line: string): RecordedCheck {
    return this.read(readPlainLine(line) ?? parseObject(line))
  }

  /** @throws {LineFault} */
  read({ at, key, tokens = 1, policy }: CheckMembers): RecordedCheck {
    const atMs = this.#times.parse(at)
    if (atMs === undefined) {
      throw new LineFault(`"at" must be ${this.#timeForms}; was ${shown(at)}`)
    }
    if (typeof key !== 'string') throw new LineFault(`"key" must be a string; was ${shown(key)}`)
    const fault = callerKeyFault(key)
    if (fault !== undefined) throw new LineFault(fault.detail)
    if (!isTokens(tokens)) {
      throw new LineFault(`"tokens" must be an integer from 0 to ${MAX_COUNT}; was ${shown(tokens)}`)
    }
    return { atMs, key, tokens, policy: policy === undefined ? undefined : policyName(policy) }
  }
}

function parseObject(line: string): CheckMembers {
  const value = parseJson(line)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new LineFault(`must be a JSON object; was ${shown(value)}`)
  }
  for (const member in value) {
    if (!isMember(member)) {
      throw new LineFault(`${shown(member)} is not a member of a check; at, key, tokens and policy are`)
    }
  }
  return value
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch (err) {
    throw new LineFault(`is not valid JSON: ${(err as Error).message}`)
  }
}

function isMember(name: string): name is keyof CheckMembers {
  return name === 'at' || name === 'key' || name === 'tokens' || name === 'policy'
}

function isTokens(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= MAX_COUNT
}

function policyName(value: unknown): string {
  if (typeof value !== 'string') throw new LineFault(`"policy" must be a string; was ${shown(value)}`)
  const fault = policyNameFault(value)
  if (fault !== undefined) throw new LineFault(`"policy" ${fault}`)
  return value
}

const MAX_SHOWN = 80

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? 'missing'
  return text.length <= MAX_SHOWN ? text : `${text.slice(0, MAX_SHOWN)}…`
}
