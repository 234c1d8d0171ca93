import { Ajv, type ErrorObject } from 'ajv'
import { callerKeyFault, policyNameFault } from '../../domain/key.ts'
import { CHECKED_SCHEMAS } from '../../lib/checked-schemas.ts'
import { type ErrorCode, type FieldError, MAX_FIELD_ERRORS, Problem, validationProblem } from '../../lib/errors.ts'
import { fieldErrors } from '../../lib/field-errors.ts'
import { BatchEnvelope, type BatchRequest } from './batch.schema.ts'
import { CheckRequest } from './check.schema.ts'

type Outcome = { readonly value: BatchRequest } | { readonly error: ErrorObject[] | Problem }

// One fault of each check is enough: a batch can be wrong in ten thousand places.
const ajv = new Ajv({ ...CHECKED_SCHEMAS, useDefaults: true, verbose: true, addUsedSchema: false })
const isEnvelope = ajv.compile<{ checks: unknown[] }>(BatchEnvelope)
const isCheck = ajv.compile<CheckRequest>(CheckRequest)

/** Validates a batch. The problem names each invalid check, whether for its members or for its key. */
export function validateBatch(body: unknown): Outcome {
  if (!isEnvelope(body)) return { error: isEnvelope.errors ?? [] }
  const { checks } = body
  const invalid = [...checks.keys()].filter(index => !isValid(checks[index]))
  return invalid.length === 0 ? { value: body as BatchRequest } : { error: problemOf(checks, invalid) }
}

function isValid(check: unknown): boolean {
  return isCheck(check) && callerKeyFault(check.key) === undefined && nameFault(check) === undefined
}

function nameFault({ policy }: CheckRequest): string | undefined {
  return policy === undefined ? undefined : policyNameFault(policy)
}

/** The rest are only named, since a refusal must not cost more than decisions. */
const NOT_EXPLAINED = `is invalid; the first ${MAX_FIELD_ERRORS} are explained`

function problemOf(checks: readonly unknown[], invalid: readonly number[]): Problem {
  const faults = invalid.map((index, i) => {
    const path = `/checks/${index}`
    return i < MAX_FIELD_ERRORS ? faultOf(checks[index], path) : { path, message: NOT_EXPLAINED }
  })
  const { detail, members } = validationProblem(faults, faults.length)
  const codes = new Set(invalid.map(index => codeOf(checks[index])))
  const [code = 'validation-failed'] = codes
  return new Problem(codes.size === 1 ? code : 'validation-failed', detail, { members })
}

function codeOf(check: unknown): ErrorCode {
  return (isCheck(check) ? callerKeyFault(check.key)?.code : undefined) ?? 'validation-failed'
}

/** An invalid check is named once, by the first member that is wrong. */
function faultOf(check: unknown, path: string): FieldError {
  if (isCheck(check)) {
    const ofKey = callerKeyFault(check.key)
    if (ofKey !== undefined) return { path: `${path}/key`, message: ofKey.detail }
    return { path: `${path}/policy`, message: nameFault(check) ?? '' }
  }
  const [fault] = fieldErrors(isCheck.errors ?? [])
  return { path: path + (fault?.path ?? ''), message: fault?.message ?? '' }
}
