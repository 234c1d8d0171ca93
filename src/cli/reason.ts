import { reasonProblem } from '../domain/change-reason.ts'
import { UsageError } from './command.ts'

/** What a header field cannot contain either. */
const CONTROL_CHARACTER = /\p{Cc}/u

/**
 * The reason that the history of a policy records.
 * @throws {UsageError}
 */
export function reasonOf(given: string | undefined): string | undefined {
  if (given === undefined) return undefined
  const problem = reasonProblem(given)
  if (problem !== undefined) throw new UsageError(`--reason ${problem}`)
  if (!CONTROL_CHARACTER.test(given)) return given
  throw new UsageError(`--reason must not contain control characters (got ${JSON.stringify(given)})`)
}
