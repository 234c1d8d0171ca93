import { configKeyFault } from '../domain/key.ts'
import { Problem } from '../errors.ts'

/** A place in a list: behind this key. Opaque to callers. */
export function encodeCursor(lastKey: string): string {
  return Buffer.from(lastKey).toString('base64url')
}

/**
 * The key that a cursor stands behind, in a list of keys with this prefix.
 * @throws {Problem} `cursor-invalid`
 */
export function decodeCursor(cursor: string, prefix: string): string {
  const key = Buffer.from(cursor, 'base64url').toString()
  if (encodeCursor(key) === cursor && configKeyFault(key) === undefined && key.startsWith(prefix)) return key
  throw new Problem(
    'cursor-invalid',
    `the cursor "${cursor}" was not given by this service for the prefix "${prefix}"; leave it out to start anew`,
  )
}
