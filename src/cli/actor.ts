import { userInfo } from 'node:os'
import { UsageError } from './command.ts'

const ACTOR = /^[^:,\s\p{Cc}]{1,128}$/u
const ALLOWED = '1 to 128 characters, without spaces, colons, commas and control characters'

/** The actor if the user has no name, as in many containers, or one that is not allowed. */
const NAMELESS = 'throttler-cli'

/**
 * The actor that the history of a policy records: the given name, or the user's.
 * @throws {UsageError}
 */
export function actorOf(given: string | undefined, userName = () => userInfo().username): string {
  if (given === undefined) return allowedName(userName) ?? NAMELESS
  if (ACTOR.test(given)) return given
  throw new UsageError(`--actor must have ${ALLOWED} (got ${JSON.stringify(given)})`)
}

function allowedName(userName: () => string): string | undefined {
  try {
    const name = userName()
    return ACTOR.test(name) ? name : undefined
  } catch {
    return undefined
  }
}
