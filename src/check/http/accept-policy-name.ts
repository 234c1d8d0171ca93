import { policyNameFault } from '../../domain/key.ts'
import { validationProblem } from '../../lib/errors.ts'

/**
 * Refuses a policy's name that is not a config key.
 * @param path the JSON pointer to the name in the request
 * @throws {Problem} `validation-failed`
 */
export function acceptPolicyName(path: '/policy' | '/query/policy', name: string | undefined): void {
  const fault = name === undefined ? undefined : policyNameFault(name)
  if (fault !== undefined) throw validationProblem([{ path, message: fault }])
}
