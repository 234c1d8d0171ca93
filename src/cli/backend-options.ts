import type { Conditions, PolicyTag } from '../domain/commands.ts'
import { callerKeyFault, configKeyFault, keyFault } from '../domain/key.ts'
import { UsageError, type Values } from './command.ts'
import { JSON_HELP, JSON_OPTION } from './output.ts'

export const MAX_TIMEOUT_SECONDS = 86_400

/** Options of every command that works on the stores or over HTTP. */
export const SERVICE_OPTIONS = { url: { type: 'string' }, 'token-file': { type: 'string' } } as const

export const BACKEND_OPTIONS = { ...SERVICE_OPTIONS, ...JSON_OPTION } as const

/** Options of a change of one policy. */
export const CHANGE_OPTIONS = {
  ...BACKEND_OPTIONS,
  'if-version': { type: 'string' },
  actor: { type: 'string' },
  reason: { type: 'string' },
  timeout: { type: 'string' },
} as const

export const SERVICE_HELP = `  --url URL           asks the service at this URL instead of the stores of the environment
  --token-file FILE   contains the token for --url; default: the variable THROTTLER_TOKEN`

export const BACKEND_HELP = `${SERVICE_HELP}
${JSON_HELP}`

export const CHANGE_HELP = `${BACKEND_HELP}
  --if-version N      rejects the change unless the policy is at version N; "none": unless the key has no policy
  --actor NAME        recorded as the author, without --url; default: the user's name
  --reason TEXT       recorded as the reason; at most 500 characters
  --timeout SECONDS   how long to wait for the result, from 1 to ${MAX_TIMEOUT_SECONDS}; default: no limit

The command waits until the change is in force. If you interrupt it, or it times out (exit code 2), the change stays queued. Exit code 1
if it is rejected.`

/** The value of an option that takes one. */
export function textOf(value: string | boolean | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined
}

/** `--timeout` in ms; Infinity without it. @throws {UsageError} */
export function timeoutMsOf({ timeout }: Values): number {
  if (timeout === undefined) return Number.POSITIVE_INFINITY
  return integer('--timeout', String(timeout), { min: 1, max: MAX_TIMEOUT_SECONDS }) * 1000
}

interface Range {
  readonly min: number
  readonly max: number
}

/** @throws {UsageError} */
export function integer(name: string, given: string, { min, max }: Range): number {
  const value = /^(0|[1-9][0-9]{0,15})$/.test(given) ? Number(given) : Number.NaN
  if (value >= min && value <= max) return value
  throw new UsageError(`${name} must be an integer between ${min} and ${max} (got ${JSON.stringify(given)})`)
}

/** The condition of `--if-version`. @throws {UsageError} */
export function conditionsOf({ 'if-version': given }: Values): Conditions | undefined {
  if (given === undefined) return undefined
  if (given === 'none') return { ifNoneMatch: '*' }
  const [, digits, ended = ''] = /^([1-9][0-9]{0,14})(-ended)?$/.exec(String(given)) ?? []
  if (digits !== undefined) return { ifMatch: [(ended === '' ? Number(digits) : `${digits}-ended`) as PolicyTag] }
  throw new UsageError(`--if-version must be a version such as 3 or 3-ended, or none (got ${JSON.stringify(given)})`)
}

/** A key that callers may ask for. @throws {UsageError} */
export function acceptKey(key: string): string {
  const fault = callerKeyFault(key)
  if (fault !== undefined) throw new UsageError(fault.detail)
  return key
}

/** The key of any bucket. @throws {UsageError} */
export function acceptBucketKey(key: string): string {
  const fault = keyFault(key)
  if (fault !== undefined) throw new UsageError(fault)
  return key
}

/** The key of a policy. @throws {UsageError} */
export function acceptConfigKey(key: string): string {
  const fault = configKeyFault(key)
  if (fault !== undefined) throw new UsageError(fault.detail)
  return key
}
