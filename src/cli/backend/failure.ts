import { OperatorError } from '../../lib/operator-error.ts'

/** The answer is negative: there is no such policy, or the change was rejected. The exit code is 1. */
export class NegativeAnswer extends OperatorError {}

/** The service or a store refused the request, or could not answer it. The exit code is 2. */
export class RequestFailed extends OperatorError {}

/** Codes that say something about the policies, not about the request. */
const NEGATIVE_CODES: ReadonlySet<string> = new Set([
  'policy-not-found',
  'version-not-found',
  'version-is-deletion',
  'version-conflict',
  'superseded',
  'import-invalid',
])

/** The error for the user, in one line. `context` follows the detail unless the answer is negative. */
export function failureOf(problem: { readonly code: string; readonly detail: string }, context = ''): OperatorError {
  const { code } = problem
  const detail = problem.detail.replaceAll(/\s+/g, ' ')
  return NEGATIVE_CODES.has(code) ? new NegativeAnswer(detail) : new RequestFailed(`${detail}${context}`)
}
