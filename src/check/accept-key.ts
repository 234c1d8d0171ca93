import { callerKeyFault, type KeyFault, keyFault, policyNameFault } from '../domain/key.ts'
import { Problem, validationProblem } from '../lib/errors.ts'

/**
 * Refuses a key that callers may not ask for, over any protocol.
 * @param path where the key is in the request: a JSON pointer, or the name of an argument
 * @throws {Problem} `key-invalid`, `key-reserved`
 */
export function acceptKey(path: string, key: string): void {
  const fault = callerKeyFault(key)
  if (fault !== undefined) throw invalidKey(path, fault.detail, fault.code)
}

/** Refuses a key that no bucket has. Those of descriptors are allowed. @throws {Problem} `key-invalid` */
export function acceptBucketKey(path: string, key: string): void {
  const detail = keyFault(key)
  if (detail !== undefined) throw invalidKey(path, detail)
}

/**
 * Refuses a policy's name that is not a config key.
 * @param path where the name is in the request
 * @throws {Problem} `validation-failed`
 */
export function acceptPolicyName(path: string, name: string | undefined): void {
  const fault = name === undefined ? undefined : policyNameFault(name)
  if (fault !== undefined) throw validationProblem([{ path, message: fault }])
}

/** The problem of a key that is not allowed. */
export function invalidKey(path: string, message: string, code: KeyFault['code'] = 'key-invalid'): Problem {
  return new Problem(code, message, { members: { errors: [{ path, message }] } })
}
