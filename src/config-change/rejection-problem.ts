import type { Rejection } from '../domain/decider.ts'
import { Problem } from '../lib/errors.ts'

/** The problem that tells a caller why a command is rejected. */
export function rejectionProblem({ code, detail, errors }: Rejection): Problem {
  return new Problem(code, detail, errors === undefined ? {} : { members: { errors } })
}
