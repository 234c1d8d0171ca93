/** Arguments of commands that check, by the rules that every protocol has. */
import { Problem, validationProblem } from '../../lib/errors.ts'
import { acceptKey, invalidKey } from '../accept-key.ts'
import type { Words } from './words.ts'

const NOT_TEXT = 'must be valid UTF-8'

/** Longer arguments are cut where an error repeats them. */
const MAX_REPEATED = 64

interface Range {
  readonly name: string
  readonly min: number
  readonly max: number
}

/** @throws {Problem} `key-invalid` */
export function keyArgument(words: Words, index: number): string {
  const key = words.text(index)
  if (key === undefined) throw invalidKey('key', `the key ${NOT_TEXT}`)
  acceptKey('key', key)
  return key
}

/** @throws {Problem} `validation-failed` */
export function textArgument(words: Words, index: number, name: string): string {
  const text = words.text(index)
  if (text === undefined) throw validationProblem([{ path: name, message: NOT_TEXT }])
  return text
}

/** @throws {Problem} `validation-failed` */
export function integerArgument(words: Words, index: number, { name, min, max }: Range): number {
  const value = words.integer(index)
  if (value !== undefined && value >= min && value <= max) return value
  const given = JSON.stringify((words.text(index) ?? words.binary(index)).slice(0, MAX_REPEATED))
  throw new Problem('validation-failed', `${name}: must be an integer between ${min} and ${max} (got ${given})`)
}
