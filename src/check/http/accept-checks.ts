import { callerKeyFault, policyNameFault } from '../../domain/key.ts'
import { type ErrorCode, type FieldError, Problem, validationProblem } from '../../lib/errors.ts'
import type { AskedCheck } from '../pending-check.ts'

interface NamedCheck {
  readonly key: string
  readonly tokens?: number
  readonly policy?: string | undefined
}

/** The JSON pointer to a member of a check in the request. */
export type PathOf = (index: number, member: 'key' | 'policy') => string

export const pathInBody: PathOf = (index, member) => `/checks/${index}/${member}`

/**
 * Refuses invalid keys and policy names, and a key that occurs twice, in checks that are decided together.
 * @throws {Problem} `key-invalid` or `key-reserved` if all faults are of this kind, otherwise `validation-failed`
 */
export function acceptChecks(checks: readonly NamedCheck[], pathOf: PathOf): void {
  if (!areAcceptable(checks)) throw problemOf(checks, pathOf)
}

/** The checks of a request, in which those that name no tokens have the request's own. */
export function withTokens(checks: readonly NamedCheck[], tokens: number): readonly AskedCheck[] {
  return checks.map(check => ({ key: check.key, tokens: check.tokens ?? tokens, policy: check.policy }))
}

function areAcceptable(checks: readonly NamedCheck[]): boolean {
  for (let i = 0; i < checks.length; i++) {
    const { key, policy } = checks[i] as NamedCheck
    if (callerKeyFault(key) !== undefined || isInvalidName(policy) || indexOfKey(checks, key) !== i) return false
  }
  return true
}

/** The index of the first check with this key. */
function indexOfKey(checks: readonly NamedCheck[], key: string): number {
  return checks.findIndex(check => check.key === key)
}

function isInvalidName(policy: string | undefined): boolean {
  return policy !== undefined && policyNameFault(policy) !== undefined
}

function problemOf(checks: readonly NamedCheck[], pathOf: PathOf): Problem {
  const ofKeys = checks.map(({ key }) => callerKeyFault(key))
  const faults = [
    ...ofKeys.flatMap((fault, index) => faultAt(pathOf(index, 'key'), fault?.detail)),
    ...checks.flatMap(({ policy }, index) =>
      faultAt(pathOf(index, 'policy'), policy === undefined ? undefined : policyNameFault(policy)),
    ),
    ...repeatedKeys(checks, pathOf),
  ]
  const codes = new Set<ErrorCode>(ofKeys.flatMap(fault => fault?.code ?? []))
  if (faults.length > ofKeys.filter(fault => fault !== undefined).length) codes.add('validation-failed')
  const { detail, members } = validationProblem(oncePerPath(faults))
  const [code = 'validation-failed'] = codes
  return new Problem(codes.size === 1 ? code : 'validation-failed', detail, { members })
}

function faultAt(path: string, message: string | undefined): readonly FieldError[] {
  return message === undefined ? [] : [{ path, message }]
}

function repeatedKeys(checks: readonly NamedCheck[], pathOf: PathOf): readonly FieldError[] {
  return checks.flatMap(({ key }, index) => {
    const first = indexOfKey(checks, key)
    const message = `must be another key; ${JSON.stringify(key)} is ${pathOf(first, 'key')} already`
    return first === index ? [] : [{ path: pathOf(index, 'key'), message }]
  })
}

/** Several checks can have the same member: a policy that is named once for all. */
function oncePerPath(faults: readonly FieldError[]): readonly FieldError[] {
  return [...new Map(faults.map(fault => [fault.path, fault])).values()]
}
