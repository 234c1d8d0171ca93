import { Ajv, type ErrorObject } from 'ajv'
import { keyFault } from '../../domain/key.ts'
import { type FieldError, Problem, validationProblem } from '../../lib/errors.ts'
import { fieldErrors } from '../../lib/field-errors.ts'
import { BatchEnvelope, type BatchRequest } from './batch.schema.ts'
import { CheckRequest } from './check.schema.ts'

type Outcome = { readonly value: BatchRequest } | { readonly error: ErrorObject[] | Problem }

// One fault for each check is enough: a batch can be wrong in ten thousand places.
const ajv = new Ajv({ useDefaults: true, verbose: true, addUsedSchema: false })
const isEnvelope = ajv.compile<{ checks: unknown[] }>(BatchEnvelope)
const isCheck = ajv.compile<CheckRequest>(CheckRequest)

/** Validates a batch. The problem names each invalid check, whether for its members or for its key. */
export function validateBatch(body: unknown): Outcome {
  if (!isEnvelope(body)) return { error: isEnvelope.errors ?? [] }
  const faults = body.checks.flatMap((check, index) => faultsOf(check, `/checks/${index}`))
  if (faults.length === 0) return { value: body as BatchRequest }
  const problem = validationProblem(faults)
  if (!body.checks.every(check => isCheck(check))) return { error: problem }
  return { error: new Problem('key-invalid', problem.detail, { members: problem.members }) }
}

function faultsOf(check: unknown, path: string): readonly FieldError[] {
  if (!isCheck(check)) return fieldErrors(isCheck.errors ?? []).map(fault => ({ ...fault, path: path + fault.path }))
  const message = keyFault(check.key)
  return message === undefined ? [] : [{ path: `${path}/key`, message }]
}
