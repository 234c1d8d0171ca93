import { callerKeyFault, policyNameFault } from '../../domain/key.ts'
import { type ErrorCode, type FieldError, Problem, validationProblem } from '../../lib/errors.ts'

interface NamedCheck {
  readonly key: string
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

function areAcceptable(checks: readonly NamedCheck[]): boolean {
  const areValid = checks.every(({ key, policy }) => callerKeyFault(key) === undefined && !isInvalidName(policy))
  return areValid && new Set(checks.map(({ key }) => key)).size === checks.length
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
  const first = new Map<string, number>()
  return checks.flatMap(({ key }, index) => {
    const earlier = first.get(key)
    if (earlier === undefined) first.set(key, index)
    const message = `must be another key; ${JSON.stringify(key)} is ${pathOf(earlier ?? index, 'key')} already`
    return earlier === undefined ? [] : [{ path: pathOf(index, 'key'), message }]
  })
}

/** Several checks can have the same member: a policy that is named once for all. */
function oncePerPath(faults: readonly FieldError[]): readonly FieldError[] {
  return [...new Map(faults.map(fault => [fault.path, fault])).values()]
}
