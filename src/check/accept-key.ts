import { keyFault, policyNameFault } from '../domain/key.ts'
import { Problem, validationProblem } from '../lib/errors.ts'

/**
 * Refuses an invalid key of a caller, over any protocol.
 * @param path where the key is in the request: a JSON pointer, or the name of an argument
 * @throws {Problem} `key-invalid`
 */
export function acceptKey(path: string, key: string): void {
  const fault = keyFault(key)
  if (fault !== undefined) throw invalidKey(path, fault)
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

/** The problem of an invalid key. */
export function invalidKey(path: string, message: string): Problem {
  return new Problem('key-invalid', message, { members: { errors: [{ path, message }] } })
}
