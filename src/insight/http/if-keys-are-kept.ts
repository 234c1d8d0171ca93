import { Problem } from '../../lib/errors.ts'

/** The part that answers, if keys are kept. @throws {Problem} `not-found` */
export function ifKeysAreKept<Part>(part: Part | undefined): Part {
  if (part !== undefined) return part
  throw new Problem('not-found', 'LOG_KEYS is none, so nothing that names keys is kept')
}
