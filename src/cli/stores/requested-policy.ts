import { PolicyRequest, refuseExpiry, toRequestedPolicy } from '../../config-change/policy.schema.ts'
import { expiryFault } from '../../domain/expiry.ts'
import type { RequestedPolicy } from '../../domain/temporary-policy.ts'
import { Problem, validationProblem } from '../../lib/errors.ts'
import { fieldErrors } from '../../lib/field-errors.ts'
import { JsonBounds } from '../../lib/json-bounds.ts'
import { validatorOf } from '../../lib/validator.ts'

/** Members and items of a policy; it has far fewer. */
const MAX_ELEMENTS = 1_000

const validate = validatorOf<PolicyRequest>(PolicyRequest)

/**
 * Reads a policy as `PUT /config/{key}` does.
 * @throws {Problem} `body-malformed`, `validation-failed`
 */
export function requestedPolicy(json: string): RequestedPolicy {
  const value = parse(json)
  if (!validate(value)) throw validationProblem(fieldErrors(validate.errors ?? []))
  const policy = toRequestedPolicy(value)
  refuseExpiry(policy, expiresAt => expiryFault(expiresAt, Date.now()))
  return policy
}

function parse(json: string): unknown {
  const problem = new JsonBounds(MAX_ELEMENTS).problemOf(Buffer.from(json))
  if (problem !== undefined) throw problem
  try {
    return JSON.parse(json)
  } catch (cause) {
    throw new Problem('body-malformed', `the policy is not valid JSON: ${(cause as Error).message}`, { cause })
  }
}
