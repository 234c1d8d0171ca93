import { type Static, Type } from '@sinclair/typebox'
import { configKeyFault } from '../../domain/key.ts'
import { type RequestedPolicy, type StoredPolicy, storedPolicyMembers } from '../../domain/temporary-policy.ts'
import { validationProblem } from '../../lib/errors.ts'
import { fieldErrors } from '../../lib/field-errors.ts'
import { validatorOf } from '../../lib/validator.ts'
import { PolicyRequest, toRequestedPolicy } from '../policy.schema.ts'

/** A line of an import: a policy and its config key. */
const ImportLine = Type.Composite([Type.Object({ key: Type.String() }), PolicyRequest], { additionalProperties: false })

const validate = validatorOf(ImportLine)

export interface ImportedPolicy {
  readonly key: string
  readonly policy: RequestedPolicy
}

/**
 * Reads a line of an import.
 * @throws {SyntaxError} if it is not valid JSON
 * @throws {Problem} `validation-failed`
 */
export function parseImportLine(line: string): ImportedPolicy {
  const value: unknown = JSON.parse(line)
  if (!validate(value)) throw validationProblem(fieldErrors(validate.errors ?? []))
  const { key, ...policy } = value as Static<typeof ImportLine>
  const fault = configKeyFault(key)
  if (fault !== undefined) throw validationProblem([{ path: '/key', message: fault.detail }])
  return { key, policy: toRequestedPolicy(policy) }
}

/** A policy as a line of an export. An import of this line leads to the same export. */
export function exportLine({ key, policy }: { readonly key: string; readonly policy: StoredPolicy }): string {
  return JSON.stringify({ key, ...storedPolicyMembers(policy) })
}

/** A policy as a staged line, which workers of release 0.1.0 read too. */
export function importLine({ key, policy }: ImportedPolicy): string {
  return JSON.stringify({ key, ...policy })
}
